"""Logs: one event name and fields, as JSON lines or for a person's console, on stderr.

Shells log; decisions return reasons instead. Records of libraries that use the standard logging module (kopf, aiohttp,
asyncio) come out in the same shape, with the event `library_log`, the logger's name and the message as fields.

The level can change while the process runs: `follow_level` reads a file again when its content changes and on SIGHUP.
In a pod the file is a key of a mounted ConfigMap.
"""

import asyncio
import logging
import signal
import sys
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor


@unique
class LogLevel(StrEnum):
    """Least severity that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@unique
class LogFormat(StrEnum):
    """How a line looks; `auto` is console on a terminal and JSON otherwise."""

    JSON = "json"
    CONSOLE = "console"
    AUTO = "auto"


Logger = structlog.typing.FilteringBoundLogger

# Without local variables: a traceback must never show a password or a token.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))

LEVEL_SECONDS = 5.0  # between looks at the file of the level

# Libraries that report each request or each handled event at INFO.
_CHATTY = ("kopf", "kopf.objects", "kopf.activities", "aiohttp.access")


def configure(level: LogLevel, form: LogFormat, *, stream: TextIO | None = None, **fields: Any) -> None:
    """Set up structlog and the standard logging module; `fields` (component, node ...) stand in every line."""
    out = stream or sys.stderr
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and out.isatty())
    stamp: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Constant(fields),
    ]
    last: list[Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=out.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if console
        else [_TRACEBACKS, structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[*stamp, *last], logger_factory=structlog.PrintLoggerFactory(out), cache_logger_on_first_use=False
    )
    _route_standard_logging(out, stamp, last)
    set_level(level)


def set_level(level: LogLevel) -> None:
    """From now on write what is at least this severe: our own lines and those of libraries."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    logging.getLogger().setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if number > logging.DEBUG else number)


async def follow_level(path: Path | None, level: LogLevel) -> None:
    """Take the level from the file for ever; `level` is the one that holds before. No file, no change.

    SIGHUP makes it look at once. A word that is no level is reported once and changes nothing.
    """
    wake = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wake.set)
    said = level.value
    while True:
        text = _word(path) if path is not None else None
        if text is not None and text != said:
            said = text
            try:
                set_level(LogLevel(text))
                logger().warning("log_level_changed", level=text)
            except ValueError:
                logger().error("log_level_unknown", file=str(path), level=text)
        try:
            await asyncio.wait_for(wake.wait(), LEVEL_SECONDS)
        except TimeoutError:
            continue
        wake.clear()


def _word(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")[:100].strip().lower()
    except OSError:
        return None


def logger(**fields: Any) -> Logger:
    """A logger whose lines carry `fields`; usable before `configure`."""
    found: Logger = structlog.get_logger(**fields)  # lazy: `bind` here would keep the configuration of this moment
    return found


class _Constant:
    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __call__(self, _logger: Any, _name: str, event: EventDict) -> EventDict:
        for key, value in self._fields.items():
            event.setdefault(key, value)
        return event


def _route_standard_logging(out: TextIO, stamp: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_library_event, *stamp],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.getLogger().handlers[:] = [handler]
    logging.captureWarnings(True)


def _name_library_event(_logger: Any, _name: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    return {**event, "event": "library_log", "logger": record.name, "message": event["event"]}

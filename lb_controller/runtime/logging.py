"""Logs: one event name and fields, as JSON lines or for a person's console, on stderr.

Shells log; decisions return reasons instead. Records of libraries that use the standard logging module (kopf, aiohttp,
asyncio) come out in the same shape, with the event `library_log`, the logger's name and the message as fields.
"""

import logging
import sys
from enum import StrEnum, unique
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

# Libraries that report each request or each handled event at INFO.
_CHATTY = ("kopf", "kopf.objects", "kopf.activities", "aiohttp.access")


def configure(level: LogLevel, form: LogFormat, *, stream: TextIO | None = None, **fields: Any) -> None:
    """Set up structlog and the standard logging module; `fields` (component, node ...) stand in every line."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
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
        processors=[*stamp, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(number, out, stamp, last)


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


def _route_standard_logging(number: int, out: TextIO, stamp: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_library_event, *stamp],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if number > logging.DEBUG else number)
    logging.captureWarnings(True)


def _name_library_event(_logger: Any, _name: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    return {**event, "event": "library_log", "logger": record.name, "message": event["event"]}

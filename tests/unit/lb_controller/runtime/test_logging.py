"""Log lines: one event name and fields, ours and those of libraries."""

import asyncio
import io
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from lb_controller.runtime.logging import LogFormat, LogLevel, configure, follow_level, logger, set_level


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_holds_event_level_time_and_fields(out: io.StringIO) -> None:
    configure(LogLevel.INFO, LogFormat.JSON, stream=out, component="test")
    logger(part="x").info("began", count=3)
    [line] = lines(out)
    assert str(line.pop("time")).endswith("Z")
    assert line == {"event": "began", "level": "info", "component": "test", "part": "x", "count": 3}


def test_less_severe_lines_are_left_out(out: io.StringIO) -> None:
    configure(LogLevel.WARNING, LogFormat.JSON, stream=out)
    logger().info("quiet")
    logging.getLogger("library").info("quiet")
    logger().error("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_a_library_speaks_in_the_same_shape(out: io.StringIO) -> None:
    configure(LogLevel.INFO, LogFormat.JSON, stream=out, component="test")
    logging.getLogger("library.part").warning("gave up after %s tries", 3)
    [line] = lines(out)
    assert (line["event"], line["logger"], line["message"]) == ("library_log", "library.part", "gave up after 3 tries")
    assert (line["level"], line["component"]) == ("warning", "test")


def test_an_exception_is_one_line_with_its_type(out: io.StringIO) -> None:
    configure(LogLevel.INFO, LogFormat.JSON, stream=out)
    try:
        int("broken")
    except ValueError:
        logger().exception("failed")
    [line] = lines(out)
    assert "ValueError" in json.dumps(line["exception"])


def test_a_console_line_is_for_people(out: io.StringIO) -> None:
    configure(LogLevel.INFO, LogFormat.CONSOLE, stream=out)
    logger().info("began", count=3)
    assert "began" in out.getvalue()
    assert "count=3" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_a_level_set_later_holds_for_our_lines_and_those_of_libraries(out: io.StringIO) -> None:
    configure(LogLevel.INFO, LogFormat.JSON, stream=out)
    ours, library = logger(part="x"), logging.getLogger("library")
    set_level(LogLevel.DEBUG)
    ours.debug("ours")
    library.debug("theirs")
    set_level(LogLevel.ERROR)
    ours.warning("quiet")
    library.warning("quiet")
    assert [line.get("message", line["event"]) for line in lines(out)] == ["ours", "theirs"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a log line sets no event
            await asyncio.sleep(0.001)


def test_the_level_follows_its_file_at_once_on_sighup(out: io.StringIO, tmp_path: Path) -> None:
    file = tmp_path / "level"
    configure(LogLevel.INFO, LogFormat.JSON, stream=out)

    async def scene() -> None:
        following = asyncio.create_task(follow_level(file, LogLevel.INFO))
        await asyncio.sleep(0)  # no file yet: nothing changes
        for word, told in (("debug\n", "log_level_changed"), ("loud", "log_level_unknown")):
            file.write_text(word)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda told=told: told in out.getvalue())
            logger().debug("asked", word=word.strip())
        file.write_text("error")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: not logger().is_enabled_for(logging.WARNING))
        following.cancel()

    asyncio.run(scene())
    asked = [line["word"] for line in lines(out) if line["event"] == "asked"]
    assert asked == ["debug", "loud"], "a word that is no level changes nothing"

"""Log lines: one event name and fields, ours and those of libraries."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lb_controller.runtime.logging import LogFormat, LogLevel, configure, logger


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

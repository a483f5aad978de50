"""Log lines: an event name is a fact in one spelling, and no line can hold a secret."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from lb_controller.runtime.logging import LogFormat, LogLevel, configure, logger
from speaker.ipc.messages import BgpSnapshot, Peer
from tests.support.events import lines

SECRET_WORDS = re.compile(r"passw|secret_value|token|credential|private|kubeconfig_text", re.IGNORECASE)
PASSWORD = "correct horse battery staple"


LINES = list(lines())


def test_there_are_lines_to_look_at() -> None:
    assert len(LINES) > 30


def test_an_event_is_a_plain_word_in_snake_case_and_facts_are_fields() -> None:
    wrong = [f"{line.where}: {ast.unparse(line.call)[:80]}" for line in LINES if len(line.call.args) != 1]
    for line in LINES:
        wrong += [f"{line.where}: {event}" for event in line.events if not re.fullmatch(r"[a-z][a-z0-9_]*", event)]
    assert not wrong, "\n".join(wrong)


def test_an_event_that_is_a_variable_is_called_event_and_is_named_in_the_same_file() -> None:
    for line in LINES:
        if not line.events:
            assert ast.unparse(line.call.args[0]) == "event", line.where


def test_no_field_of_a_line_is_a_secret_or_a_whole_message() -> None:
    wrong = []
    for line in LINES:
        for keyword in line.call.keywords:
            text = ast.unparse(keyword)
            if SECRET_WORDS.search(text) or text.split("=")[-1] in ("message", "snapshot", "body", "environ"):
                wrong.append(f"{line.where}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_line_about_a_service_carries_its_uid() -> None:
    without = [
        line.where
        for line in LINES
        if any(keyword.arg == "service" for keyword in line.call.keywords) and not {"uid", "uids"} & set(line.fields)
    ]
    assert not without


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_shows_no_local_variable(out: io.StringIO, form: LogFormat) -> None:
    configure(LogLevel.DEBUG, form, stream=out)

    def fail(password: str) -> None:
        raise ValueError(f"a password of {len(password)} letters is refused")

    try:
        fail(PASSWORD)
    except ValueError:
        logger().exception("failed")
        logging.getLogger("library").exception("failed")
    assert out.getvalue().count("28 letters") >= 2
    assert PASSWORD not in out.getvalue()


def test_a_peer_hides_its_password_also_inside_of_a_message(out: io.StringIO) -> None:
    configure(LogLevel.DEBUG, LogFormat.JSON, stream=out)
    peer = Peer(name="a", address="192.0.2.1", local_asn=1, peer_asn=2, router_id="1.1.1.1", password=PASSWORD)
    logger().info("shown", peer=peer, snapshot=BgpSnapshot(peers=(peer,), routes=()))
    assert "192.0.2.1" in json.loads(out.getvalue())["peer"]
    assert PASSWORD not in out.getvalue()

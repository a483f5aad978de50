import json
from typing import Any

import pytest

from speaker.bgp.events import Answer, Counted, Event, Reloaded, SessionChanged, SessionEvent, Unknown, event_of

# As ExaBGP 5.0.15 wrote it, but for the host's name.
DOWN = (
    '{ "exabgp": "5.0.0", "time": 1795535103.49, "host" : "n", "pid" : 25, "ppid" : 24, "counter": 3, "type": "state", '
    '"neighbor": { "address": { "local": "10.9.0.1", "peer": "10.9.0.2" }, "asn": { "local": 64512, "peer": 64500 }, '
    '"router-id": "10.9.0.1" , "state": "down", "reason": "notification received (6,2)" } }'
)


def state(**neighbor: Any) -> str:
    return json.dumps({"type": "state", "neighbor": {"address": {"peer": "192.0.2.1"}, **neighbor}})


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("done", Answer(True)),
        ("error\n", Answer(False)),
        (DOWN, SessionChanged("10.9.0.2", SessionEvent.DOWN, "notification received (6,2)")),
        (DOWN.replace("64500", "None"), SessionChanged("10.9.0.2", SessionEvent.DOWN, "notification received (6,2)")),
        (state(state="up"), SessionChanged("192.0.2.1", SessionEvent.UP)),
        (state(state="connected"), SessionChanged("192.0.2.1", SessionEvent.CONNECTED)),
        ('{"type": "reload", "accepted": true}', Reloaded(True)),
        ('{"type": "reload"}', Reloaded(False)),
        (state(state="asleep"), Unknown("state")),
        ('{"type": "state", "neighbor": 3}', Unknown("state")),
        ('{"type": "state"}', Unknown("state")),
        ('{"type": "notification"}', Unknown("notification")),
        ("{}", Unknown("None")),
        ("{", Unknown("malformed")),
        ("", Unknown("text")),
        ("reload in progress", Unknown("text")),
        ("[1]", Unknown("text")),
    ],
)
def test_each_line_is_one_event(line: str, event: Event) -> None:
    assert event_of(line) == event


def test_a_reason_is_one_printable_line_of_bounded_length() -> None:
    event = event_of(state(state="down", reason="\u0017Cease\n\n by\tadmin " + "x" * 1000))
    assert isinstance(event, SessionChanged)
    assert event.reason.startswith("Cease by admin xxx")
    assert len(event.reason) == 300


def test_counts_are_read_and_odd_ones_are_none() -> None:
    line = '{"type": "session-counts", "peers": {"192.0.2.1": {"send-update": 3}}}'
    assert event_of(line) == Counted({"192.0.2.1": {"send-update": 3}})
    assert event_of('{"type": "session-counts", "peers": {"192.0.2.1": {"send-update": "x"}}}') == Unknown(
        "session-counts"
    )
    assert event_of('{"type": "session-counts"}') == Unknown("session-counts")

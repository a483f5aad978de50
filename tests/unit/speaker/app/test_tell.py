"""Pacing of the speaker's writes, and the bodies that it writes."""

import msgspec

from lb_controller.model.cluster import Condition, Node, Service, ServiceKey
from lb_controller.model.config import Origin
from lb_controller.model.parse.objects import RawObject
from speaker.app import bodies
from speaker.app.tell import LEAST, MOST, Wish
from speaker.decide.announced import Verdict
from speaker.decide.told import SessionTold
from speaker.ipc.messages import Phase


def test_the_first_write_goes_at_once_and_the_next_one_waits() -> None:
    wish = Wish("p", {"a": 1})
    assert wish.due == 0.0
    assert wish.take(100.0) == {"a": 1}
    assert wish.body is None
    assert wish.due == 100.0 + LEAST


def test_wishes_that_keep_coming_wait_longer_each_time_up_to_a_limit_and_calm_forgives() -> None:
    wish, now, gaps = Wish("p"), 100.0, []
    for _ in range(8):
        wish.body = {"a": 1}
        now = max(now, wish.due)
        wish.take(now)
        gaps.append(wish.gap)
    assert gaps == [2.0, 4.0, 8.0, 16.0, MOST, MOST, MOST, MOST]
    wish.body = {"a": 1}
    wish.take(now + 3 * MOST)
    assert wish.gap == LEAST


def test_a_node_status_reads_back_as_it_was_written() -> None:
    told = (
        SessionTold(peer="a", state=Phase.NOT_CONFIGURED, last_error="no Secret"),
        SessionTold(peer="b", state=Phase.ESTABLISHED, address="10.0.0.1", since=1000, routes=3, bfd="Up", note="n"),
    )
    body = bodies.node_status_body(Node(name="n1", uid="u"), told)
    assert body["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u"}]
    assert body["status"]["sessions"][1]["since"] == "1970-01-01T00:16:40Z"
    assert bodies.read_node_status(msgspec.Raw(msgspec.json.encode(body))) == told
    assert bodies.as_read(told) == told


def test_a_text_that_is_too_long_is_cut_and_still_compares_equal() -> None:
    told = (SessionTold(peer="a", state=Phase.CONNECTING, last_error="x" * 5000),)
    body = bodies.node_status_body(Node(name="n1"), told)
    assert bodies.read_node_status(msgspec.Raw(msgspec.json.encode(body))) == bodies.as_read(told)


def test_an_unknown_state_and_an_odd_time_do_not_hide_the_other_sessions() -> None:
    sessions = b'[{"peer": "a", "state": "Odd", "since": "never"}, {"peer": "b", "state": "Opening"}]'
    raw = b'{"status": {"sessions": ' + sessions + b"}}"
    assert [entry.state for entry in bodies.read_node_status(msgspec.Raw(raw))] == [Phase.CONNECTING, Phase.OPENING]
    assert bodies.read_node_status(msgspec.Raw(b"{}")) == ()


def test_the_condition_of_a_service_keeps_its_time_while_the_status_stays() -> None:
    told = Condition("heraldlb.io/Announced", "True", "Announced", "old", last_transition_time="2026-01-01T00:00:00Z")
    service = Service(key=ServiceKey("default", "web"), uid="u", generation=4, conditions=(told,))
    verdict = Verdict("True", "Announced", "new")
    assert not bodies.says(told, verdict)
    body = bodies.announced_body(service, verdict, 0.0)
    assert body["status"]["conditions"] == [
        {
            "type": "heraldlb.io/Announced",
            "status": "True",
            "observedGeneration": 4,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "Announced",
            "message": "new",
        }
    ]
    assert bodies.announced_body(service, None, 0.0)["status"] == {}
    assert bodies.announced_path(service) == "/api/v1/namespaces/default/services/web/status"


def test_the_condition_of_a_peer_is_read_from_its_status() -> None:
    condition = {"type": "Established", "status": "False", "reason": "SomeSessionsDown", "message": "m"}
    body = {"metadata": {"name": "tor", "generation": 2}, "status": {"conditions": [condition]}}
    raw = RawObject("BGPPeer", Origin.HERALDLB, body)
    verdict = Verdict("False", "SomeSessionsDown", "m")
    assert bodies.says(raw.condition("Established"), verdict)
    assert not bodies.says(raw.condition("Accepted"), verdict)
    written = bodies.peer_body(raw, Verdict("True", "AllEstablished", "m"), 0.0)
    assert written["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert written["status"]["conditions"][0]["observedGeneration"] == 2

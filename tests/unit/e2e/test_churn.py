"""The observer of the fault tests finds what it is there to find."""

import msgspec

from lb_controller.model import wire
from tests.e2e.churn import Observer


def service(name: str, *has: str, uid: str = "", key: str = "", port: int = 80, asks: str = "") -> wire.Service:
    notes = {"heraldlb.io/allow-shared-ip": key, "heraldlb.io/loadBalancerIPs": asks}
    body = {
        "metadata": {"name": name, "uid": uid or name, "annotations": {k: v for k, v in notes.items() if v}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port}]},
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in has]}},
    }
    return msgspec.convert(body, wire.Service)


def told(*steps: wire.Service | str, blind: bool = False) -> list[str]:
    """What is found; each Service is first seen without an address, unless the observer was `blind` until then."""
    found: list[str] = []
    observer = Observer(found.append)
    for step in steps:
        if isinstance(step, str):
            observer.take(("", step), None)
            continue
        key = ("", step.metadata.name)
        if not blind and (key not in observer.now or observer.now[key].uid != step.metadata.uid):
            observer.take(key, msgspec.structs.replace(step, status=wire.ServiceStatus()))
        observer.take(key, step)
    return [text.partition(":")[0] for text in found]


def test_an_address_held_twice_is_found_unless_both_may_share_it() -> None:
    assert told(service("a", "1"), service("b", "1")) == ["twice"]
    assert told(service("a", "1", key="k"), service("b", "1", key="k", port=81)) == []
    assert told(service("a", "1", key="k"), service("b", "1", key="k")) == ["twice"]
    assert told(service("a", "1", key="k"), service("b", "1", key="l", port=81)) == ["twice"]


def test_an_address_that_was_free_in_between_is_not_twice() -> None:
    assert told(service("a", "1"), "a", service("b", "1")) == []


def test_a_move_is_found_unless_it_was_asked_for() -> None:
    assert told(service("a", "1"), service("a", "2")) == ["moved"]
    assert told(service("a", "1"), service("a", "1", asks="2"), service("a", "2", asks="2")) == []
    assert told(service("a", "1"), service("a", "2", asks="2")) == []
    assert told(service("a", "1"), service("a", "1", key="k"), service("a", "1"), service("a", "2")) == []
    assert told(service("a", "1"), service("a", "2", asks="2"), service("a", "3", asks="2")) == ["moved"]


def test_a_move_away_from_another_is_found_also_when_the_other_changed() -> None:
    one, other = service("a", "1", key="k"), service("b", "1", key="k", port=81)
    assert told(one, other, service("b", "2", key="k", port=81)) == ["moved"]
    assert told(one, other, service("a", "1"), service("b", "2", key="k", port=81)) == ["moved"]


def test_a_move_to_the_address_that_is_asked_for_is_none_however_late_it_comes() -> None:
    asks = service("a", "1", asks="9")
    assert told(service("a", "1"), asks, service("a", "2", asks="9"), service("a", "9", asks="9")) == []


def test_who_is_first_seen_with_an_address_may_have_changed_before() -> None:
    assert told(service("a", "1"), service("b", "1", key="k"), service("b", "2", key="k"), blind=True) == []
    assert told(service("a", "1"), service("a", "2"), service("a", "3"), blind=True) == ["moved"]


def test_an_emptied_status_is_found_but_a_new_object_of_the_name_is_none() -> None:
    assert told(service("a", "1"), service("a")) == ["emptied"]
    assert told(service("a", "1"), service("a", uid="new")) == []
    assert told(service("a", "1"), service("a", asks="2")) == []


def test_one_that_changed_its_request_may_still_stand_where_it_must_leave() -> None:
    assert told(service("a", "1", key="k"), service("b", "1", key="k", port=81), service("b", "1", port=81)) == []

"""What a change of one fact changes, and what it does not touch."""

from dataclasses import replace

import pytest

from lb_controller.model.address import Address, parse_address, parse_range
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import Config, L2Advertisement, Pool, PoolSelection
from lb_controller.model.reasons import OmissionReason
from speaker.decide import decider as module
from speaker.decide.decider import Changes, Decider

A, B, C = (parse_address(f"192.0.2.{number}") for number in (1, 2, 3))
POOL = Pool("link", (parse_range("192.0.2.0/24"),))
CONFIG = Config(pools=(POOL,), l2_advertisements=(L2Advertisement("all"),))
NOTHING = Changes((), ())


def service(name: str, *addresses: Address) -> Service:
    return Service(key=ServiceKey("default", name), uid=name, ingress=addresses)


def put(decider: Decider, found: Service) -> None:
    decider.set_service(found.key, found)
    decider.set_endpoints(found.key, (Endpoint("a"),))


@pytest.fixture
def decider() -> Decider:
    """Nodes a and b; `web` holds A, `api` holds A and B."""
    fresh = Decider("a")
    fresh.set_config(CONFIG)
    for name in ("a", "b"):
        fresh.set_node(name, Node(name=name))
    put(fresh, service("web", A))
    put(fresh, service("api", A, B))
    assert {entry.address for entry in fresh.settle().changed} == {A, B}
    return fresh


def test_nothing_new_changes_nothing(decider: Decider) -> None:
    assert decider.settle() == NOTHING
    decider.set_config(replace(CONFIG))
    decider.set_node("a", Node(name="a"))
    put(decider, service("web", A))
    decider.set_service(ServiceKey("default", "web"), replace(service("web", A), resource_version="2", generation=7))
    assert decider.settle() == NOTHING


def test_two_services_on_one_address_and_one_goes_the_other_keeps_it_without_a_gap(decider: Decider) -> None:
    decider.set_service(ServiceKey("default", "web"), None)
    changes = decider.settle()
    assert changes.removed == ()
    assert [entry.services for entry in changes.changed] == [(ServiceKey("default", "api"),)]


def test_the_last_service_takes_its_addresses_with_it(decider: Decider) -> None:
    for name in ("web", "api"):
        decider.set_service(ServiceKey("default", name), None)
    assert decider.settle() == Changes((), (A, B))
    assert not decider.announcements
    assert not decider.omissions


def test_a_service_that_never_was_goes_without_a_trace(decider: Decider) -> None:
    decider.set_service(ServiceKey("default", "ghost"), None)
    decider.set_endpoints(ServiceKey("default", "ghost"), ())
    decider.set_node("ghost", None)
    assert decider.settle() == NOTHING


def test_an_address_that_a_service_changed_for_another_is_withdrawn(decider: Decider) -> None:
    put(decider, service("api", C))
    changes = decider.settle()
    assert changes.removed == (B,)
    assert [entry.address for entry in changes.changed] == [A, C]


def test_a_service_with_one_address_twice_comes_and_goes(decider: Decider) -> None:
    put(decider, service("odd", C, C))
    assert [entry.address for entry in decider.settle().changed] == [C]
    put(decider, service("odd", C))
    decider.set_service(ServiceKey("default", "odd"), None)
    assert decider.settle() == Changes((), (C,))


def test_endpoints_that_go_withdraw_and_endpoints_that_come_announce(decider: Decider) -> None:
    decider.set_endpoints(ServiceKey("default", "api"), ())
    changes = decider.settle()
    assert changes.removed == (B,)
    assert decider.omissions[B][ServiceKey("default", "api")].reason is OmissionReason.NO_USABLE_ENDPOINT
    decider.set_endpoints(ServiceKey("default", "api"), (Endpoint("b"),))
    assert B in {entry.address for entry in decider.settle().changed}
    assert not decider.omissions


def test_endpoints_heard_of_before_their_service_count_too() -> None:
    fresh = Decider("a")
    key = ServiceKey("default", "web")
    fresh.set_endpoints(key, (Endpoint("a"),))
    fresh.set_node("a", Node(name="a"))
    fresh.set_config(CONFIG)
    fresh.set_service(key, service("web", A))
    assert [entry.candidates for entry in fresh.settle().changed] == [("a",)]


def test_a_node_that_is_not_ready_any_more_is_no_candidate(decider: Decider) -> None:
    decider.set_node("a", Node(name="a", ready=False))
    assert {entry.candidates for entry in decider.settle().changed} == {("b",)}
    decider.set_node("b", None)
    assert decider.settle() == Changes((), (A, B))
    decider.set_node("a", Node(name="a"))
    assert {entry.candidates for entry in decider.settle().changed} == {("a",)}


def test_without_advertisements_everything_is_withdrawn_and_says_why(decider: Decider) -> None:
    decider.set_config(Config(pools=(POOL,)))
    assert decider.settle() == Changes((), (A, B))
    assert {omission.reason for found in decider.omissions.values() for omission in found.values()} == {
        OmissionReason.NO_MATCHING_ADVERTISEMENT
    }


def test_a_deleted_pool_keeps_its_addresses_announced_by_an_advertisement_for_all(decider: Decider) -> None:
    decider.set_config(Config(l2_advertisements=CONFIG.l2_advertisements))
    assert decider.settle() == NOTHING


def test_a_deleted_pool_that_was_named_leaves_its_addresses_unknown(decider: Decider) -> None:
    named = L2Advertisement("named", PoolSelection(frozenset({"link"})))
    decider.set_config(Config(pools=(POOL,), l2_advertisements=(named,)))
    assert decider.settle() == NOTHING
    decider.set_config(Config(l2_advertisements=(named,)))
    assert decider.settle() == Changes((), (A, B))
    [omission] = decider.omissions[B].values()
    assert omission.reason is OmissionReason.POOL_UNKNOWN


def test_only_the_addresses_that_a_change_touches_are_decided_again(
    decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Address] = []
    plain = module.decide

    def counting(address: Address, *rest: object) -> object:
        decided.append(address)
        return plain(address, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "decide", counting)
    put(decider, service("new", C))
    decider.settle()
    assert decided == [C]
    decided.clear()
    decider.set_endpoints(ServiceKey("default", "web"), (Endpoint("b"),))
    decider.settle()
    assert decided == [A]
    decided.clear()
    decider.set_node("c", Node(name="c"))
    decider.settle()
    assert decided == [A, B, C]


def test_of_very_many_nodes_the_first_sixteen_are_named_and_the_others_move_nothing(decider: Decider) -> None:
    for number in range(98):
        decider.set_node(f"n{number}", Node(name=f"n{number}"))
    decider.settle()
    candidates = decider.announcements[B].candidates
    assert len(candidates) == 16
    [stranger, *_] = decider.cluster.nodes.keys() - set(decider.announcements[A].candidates) - set(candidates)
    decider.set_node(stranger, None)
    assert decider.settle() == NOTHING
    decider.set_node(candidates[0], None)
    assert decider.settle().changed
    assert decider.announcements[B].candidates[:15] == candidates[1:]


def test_a_service_that_kube_proxy_nowhere_serves_yet_is_told_so_and_announced_as_soon_as_it_does() -> None:
    decider = Decider("a")
    decider.set_config(CONFIG)
    for name in ("a", "b"):
        decider.set_node(name, Node(name=name))
    local = replace(service("web", A), traffic_policy=TrafficPolicy.LOCAL, health_check_node_port=30999)
    decider.set_service(local.key, local)
    decider.set_endpoints(local.key, (Endpoint("a", programmed=False),))
    assert decider.settle() == NOTHING
    [omission] = decider.omissions[A].values()
    assert omission.reason is OmissionReason.NODE_CANNOT_FORWARD
    assert "30999" in omission.message
    decider.set_endpoints(local.key, (Endpoint("a"), Endpoint("b", programmed=False)))
    [announcement] = decider.settle().changed
    assert announcement.candidates == ("a",)

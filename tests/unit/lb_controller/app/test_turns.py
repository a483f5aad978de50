"""An address is given on only when the status of who had it shows it no more."""

from ipaddress import ip_address
from typing import Any

from lb_controller.app.turns import Turns
from lb_controller.model.address import Address
from lb_controller.model.cluster import ServiceKey
from tests.unit.lb_controller.app.test_reconcile import begun, pool, see, service, wanted

X, Y = ip_address("192.0.2.1"), ip_address("192.0.2.2")
A, B, C = (ServiceKey("ns", name) for name in "abc")


def nobody(_: ServiceKey, __: Address) -> bool:
    return False


def test_who_gets_an_address_waits_until_it_is_shown_no_more() -> None:
    turns = Turns()
    turns.show(A, (X,))
    assert turns.must_wait(B, [X], nobody)
    assert turns.show(A, (Y,)) == {B}
    assert not turns.must_wait(B, [X], nobody)


def test_nobody_waits_for_a_sharer_that_stays_nor_for_itself() -> None:
    turns = Turns()
    turns.show(A, (X,))
    assert not turns.must_wait(B, [X], lambda _, __: True)
    assert not turns.must_wait(A, [X], nobody)


def test_in_a_ring_one_goes_first() -> None:
    turns = Turns()
    turns.show(A, (X,))
    turns.show(B, (Y,))
    assert turns.must_wait(A, [Y], nobody)
    assert not turns.must_wait(B, [X], nobody)


def test_news_that_change_nothing_make_those_who_wait_look_again() -> None:
    turns = Turns()
    turns.show(A, (X,))
    assert turns.must_wait(B, [X], nobody)
    assert turns.show(A, (X,)) == {B}
    assert turns.must_wait(B, [X], nobody)
    assert turns.show(A, ()) == {B}
    assert not turns.must_wait(B, [X], nobody)


def test_the_freed_address_is_written_only_after_the_move() -> None:
    pools = [pool("p", 9, "192.0.2.1-192.0.2.1"), pool("q", 10, "192.0.2.2-192.0.2.2")]
    pools[1]["spec"]["autoAssign"] = False
    reconciler = begun(services=[service("a", 5, ip="192.0.2.1"), service("b", 6)], pools=pools)
    assert wanted(reconciler.work().writes) == {"b": []}
    moving = service("a", 60, ip="192.0.2.1")
    moving["metadata"]["annotations"]["heraldlb.io/address-pool"] = "q"
    see(reconciler, moving)
    assert wanted(reconciler.work().writes) == {"a": ["192.0.2.2"]}
    moved = service("a", 61, ip="192.0.2.2")
    moved["metadata"]["annotations"]["heraldlb.io/address-pool"] = "q"
    see(reconciler, moved)
    assert wanted(reconciler.work().writes)["b"] == ["192.0.2.1"]


def sharer(name: str, version: int, port: int, *, ip: str = "", digest: str = "") -> dict[str, Any]:
    body = service(name, version, ip=ip, ports=[{"port": port}])
    notes = body["metadata"]["annotations"]
    notes["heraldlb.io/allow-shared-ip"] = "k"
    if digest:
        notes["heraldlb.io/sharing-digest"] = digest
    return body


def test_who_joins_a_sharer_waits_until_the_sharer_s_new_terms_are_written_down() -> None:
    reconciler = begun(services=[sharer("a", 5, 80)], pools=[pool("p", 9, "192.0.2.1-192.0.2.1")])
    [first] = reconciler.work().writes
    old = first.patch.annotations["heraldlb.io/sharing-digest"]
    see(reconciler, sharer("a", 60, 81, ip="192.0.2.1", digest=old))
    see(reconciler, sharer("b", 61, 80))
    [again] = reconciler.work().writes
    new = again.patch.annotations["heraldlb.io/sharing-digest"]
    assert (again.service.key.name, new != old) == ("a", True)
    see(reconciler, sharer("a", 62, 81, ip="192.0.2.1", digest=new))
    assert wanted(reconciler.work().writes) == {"b": ["192.0.2.1"]}

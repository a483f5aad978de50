"""Beside another load balancer: its Services are decided and not written, and what it gives them is what they hold."""

from lb_controller.app.inputs import SERVICE, sources
from lb_controller.app.reconcile import Reconciler
from lb_controller.app.rules import Rules
from lb_controller.model.cluster import Contest, Rival, ServiceKey
from tests.unit.lb_controller.app.test_reconcile import Body, from_mapping, pool, see, service, wanted

OURS, THEIRS = "IPAddressPool", "metallb.io/IPAddressPool"
METALLB = Contest(frozenset({Rival("metallb-system/controller-1")}))
MINE = {"loadBalancerClass": "mine"}


def beside(contest: Contest, *services: Body, **pools: list[Body]) -> Reconciler:
    reconciler = Reconciler(Rules("mine"), sources("metallb-system"))
    reconciler.contest = contest
    bodies = {SERVICE: list(services), OURS: pools.get("ours", []), THEIRS: pools.get("theirs", [])}
    for source in sources("metallb-system"):
        reconciler.take_list(source, [from_mapping(source, body) for body in bodies.get(source, [])], 50)
    reconciler.begin()
    return reconciler


def test_services_that_both_would_serve_are_counted_and_not_written() -> None:
    reconciler = beside(METALLB, service("both", 1), service("mine", 2, **MINE), ours=[pool("p", 3, "192.0.2.0/28")])
    assert set(wanted(reconciler.work().writes)) == {"mine"}
    assert reconciler.shadowed == {ServiceKey("ns", "both")}


def test_a_rival_with_a_class_of_its_own_leaves_us_the_others() -> None:
    other = Contest(frozenset({Rival("metallb-system/controller-1", "theirs")}))
    reconciler = beside(other, service("web", 1), ours=[pool("p", 3, "192.0.2.0/28")])
    assert set(wanted(reconciler.work().writes)) == {"web"}


def test_what_the_rival_gave_is_what_the_service_holds() -> None:
    reconciler = beside(METALLB, service("both", 1), ours=[pool("p", 3, "192.0.2.0/30")])
    reconciler.work()
    see(reconciler, service("both", 60, ip="192.0.2.2"))
    see(reconciler, service("mine", 61, **MINE))
    assert wanted(reconciler.work().writes) == {"mine": ["192.0.2.0"]}
    see(reconciler, service("both", 62, ip="192.0.2.1"))
    reconciler.work()
    reconciler.contest = Contest()
    reconciler.begin()
    assert "both" not in wanted(reconciler.work().writes)


def test_no_address_of_the_rival_s_pools_is_given_while_it_runs() -> None:
    reconciler = beside(METALLB, service("mine", 2, **MINE), theirs=[pool("p", 3, "192.0.2.0/28")])
    assert reconciler.work().writes == []
    assert reconciler.shadowed == {ServiceKey("ns", "mine")}
    reconciler.contest = Contest()
    reconciler.begin()
    assert wanted(reconciler.work().writes) == {"mine": ["192.0.2.0"]}
    assert reconciler.shadowed == set()


def test_nothing_is_ever_written_to_objects_of_the_other_group() -> None:
    reconciler = beside(Contest(), theirs=[pool("p", 3, "192.0.2.9/28")], ours=[pool("q", 4, "198.51.100.0/28")])
    reconciler.work()
    assert [write.raw.name for write in reconciler.object_work()] == ["q"]

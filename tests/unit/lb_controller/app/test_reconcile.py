"""From news to writes: nothing before the barrier, nothing twice, holders first, and marks taken off who left."""

from typing import Any

import pytest

from lb_controller.app.inputs import SERVICE, SOURCES, from_mapping
from lb_controller.app.jobs import object_job, service_job
from lb_controller.app.reconcile import Reconciler, ServiceWrite
from lb_controller.app.rules import Rules
from lb_controller.model.cluster import ServiceKey

Body = dict[str, Any]
POOL = "IPAddressPool"


def service(name: str, version: int, *, ip: str = "", **spec: object) -> Body:
    status: Body = {}
    if ip:
        condition = {"type": "heraldlb.io/Assigned", "status": "True", "reason": "Assigned"}
        message = {"message": f"assigned {ip} from IPAddressPool p", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}, "conditions": [{**condition, **message}]}
    notes = {"heraldlb.io/assigned-from-pool": "p"} if ip else {}
    return {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": f"2026-01-01T00:00:{version:02}Z",
            "annotations": notes,
        },
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.1",
            "clusterIPs": ["10.96.0.1"],
            "ipFamilies": ["IPv4"],
            "ports": [{"port": 80}],
            **spec,
        },
        "status": status,
    }


def pool(name: str, version: int, *addresses: str, status: Body | None = None) -> Body:
    metadata = {"name": name, "resourceVersion": str(version), "generation": 1, "uid": f"uid-{name}"}
    return {"metadata": metadata, "spec": {"addresses": list(addresses)}, "status": status or {}}


def listed(reconciler: Reconciler, version: int, **bodies: list[Body]) -> None:
    for source in SOURCES:
        found = [from_mapping(source, body) for body in bodies.get(source, [])]
        reconciler.take_list(source, found, version)


def begun(*, services: list[Body], pools: list[Body], version: int = 50) -> Reconciler:
    reconciler = Reconciler(Rules("heraldlb.io/heraldlb"))
    listed(reconciler, version, Service=services, IPAddressPool=pools)
    reconciler.begin()
    return reconciler


def wanted(writes: list[ServiceWrite]) -> dict[str, list[str]]:
    return {write.service.key.name: [str(address) for address in write.patch.ingress] for write in writes}


def see(reconciler: Reconciler, body: Body, source: str = SERVICE) -> None:
    reconciler.see(source, from_mapping(source, body))


def test_nothing_is_decided_before_every_input_was_listed() -> None:
    reconciler = Reconciler(Rules("c"))
    see(reconciler, service("web", 5))
    assert reconciler.work().writes == []
    assert set(reconciler.missing()) == set(SOURCES)
    with pytest.raises(AssertionError):
        reconciler.begin()


def test_a_resting_replica_observes_and_writes_nothing() -> None:
    reconciler = begun(services=[service("web", 5)], pools=[pool("p", 6, "192.0.2.0/28")])
    reconciler.rest()
    see(reconciler, service("other", 60))
    assert reconciler.work().writes == []
    assert reconciler.object_work() == []
    reconciler.begin()
    assert set(wanted(reconciler.work().writes)) == {"web", "other"}


def test_holders_keep_their_addresses_whatever_the_order_of_the_list() -> None:
    bodies = [service("a", 5), service("b", 6, ip="192.0.2.0"), service("c", 7, ip="192.0.2.2")]
    for services in (bodies, bodies[::-1]):
        reconciler = begun(services=services, pools=[pool("p", 8, "192.0.2.0/28")])
        assert wanted(reconciler.work().writes) == {"a": ["192.0.2.1"]}


def test_a_service_as_it_was_written_needs_no_write() -> None:
    reconciler = begun(services=[service("web", 5, ip="192.0.2.0")], pools=[pool("p", 6, "192.0.2.0/28")])
    work = reconciler.work()
    assert work.writes == []
    assert work.quiet == [ServiceKey("ns", "web")]


def test_an_unwritten_decision_is_asked_for_again_and_stays_the_same() -> None:
    reconciler = begun(services=[service("web", 5)], pools=[pool("p", 6, "192.0.2.0/28")])
    first = wanted(reconciler.work().writes)
    assert reconciler.work().writes == []
    reconciler.touch([ServiceKey("ns", "web")])
    assert wanted(reconciler.work().writes) == first


def test_our_own_answer_ends_the_matter() -> None:
    reconciler = begun(services=[service("web", 5)], pools=[pool("p", 6, "192.0.2.0/28")])
    reconciler.work()
    see(reconciler, service("web", 55, ip="192.0.2.0"))
    reconciler.touch([ServiceKey("ns", "web")])
    assert reconciler.work().writes == []


def test_an_address_that_someone_took_out_of_the_status_is_written_again() -> None:
    reconciler = begun(services=[service("web", 5, ip="192.0.2.7")], pools=[pool("p", 6, "192.0.2.0/28")])
    reconciler.work()
    see(reconciler, service("web", 60))
    assert wanted(reconciler.work().writes) == {"web": ["192.0.2.7"]}


def test_a_service_that_left_is_to_be_released_and_its_address_is_free() -> None:
    pools = [pool("p", 6, "192.0.2.1/32")]
    reconciler = begun(services=[service("web", 5, ip="192.0.2.1"), service("next", 7)], pools=pools)
    reconciler.work()
    reconciler.lose(SERVICE, ("ns", "web"), 60)
    work = reconciler.work()
    assert [service.key.name for service in work.left] == ["web"]
    assert wanted(work.writes) == {"next": ["192.0.2.1"]}


def test_one_that_left_without_marks_of_ours_is_not_looked_at() -> None:
    reconciler = begun(services=[service("web", 5)], pools=[])
    reconciler.work()
    reconciler.lose(SERVICE, ("ns", "web"), 60)
    assert reconciler.work().left == []


CLASSES = [
    (None, True, True),
    (None, False, False),
    ("mine", True, True),
    ("mine", False, True),
    ("other", True, False),
]


@pytest.mark.parametrize(("class_", "unclassed", "ours"), CLASSES)
def test_services_are_ours_by_class(class_: str | None, unclassed: bool, ours: bool) -> None:
    reconciler = Reconciler(Rules("mine", unclassed))
    body = service("web", 5, **({"loadBalancerClass": class_} if class_ else {}))
    listed(reconciler, 50, Service=[body], IPAddressPool=[pool("p", 6, "192.0.2.0/28")])
    reconciler.begin()
    assert bool(reconciler.work().writes) is ours


def test_no_pools_at_the_start_clear_nobody() -> None:
    reconciler = begun(services=[service("web", 5, ip="192.0.2.7")], pools=[])
    assert all(ingress == ["192.0.2.7"] for ingress in wanted(reconciler.work().writes).values())


def test_each_object_is_told_whether_it_is_in_use_and_a_pool_how_full_it_is() -> None:
    pools = [pool("good", 6, "192.0.2.0/28"), pool("late", 7, "192.0.2.0/24"), pool("wrong", 8, "192.0.2.9-192.0.2.1")]
    for index, body in enumerate(pools):
        body["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{index}Z"
    reconciler = begun(services=[service("web", 5, ip="192.0.2.7")], pools=pools)
    reconciler.work()
    told = {write.raw.name: write for write in reconciler.object_work()}
    assert {name: write.condition.reason for name, write in told.items()} == {
        "good": "Accepted",
        "late": "OverlapsAnotherPool",
        "wrong": "Invalid",
    }
    assert told["good"].fields["assignedIPv4"] == 1
    assert told["good"].fields["availableIPv4"] == 15
    assert told["late"].fields == {}
    assert "spec.addresses[0]" in told["wrong"].condition.message
    job = object_job(told["late"], "2026-01-02T00:00:00Z")
    [event] = job.events
    assert (event.type, event.reason) == ("Warning", "OverlapsAnotherPool")
    assert object_job(told["good"], "2026-01-02T00:00:00Z").events == ()


def test_an_object_that_was_told_all_this_is_not_told_again() -> None:
    reconciler = begun(services=[], pools=[pool("p", 6, "192.0.2.0/28")])
    [write] = reconciler.object_work()
    body = object_job(write, "2026-01-02T00:00:00Z").body
    see(reconciler, pool("p", 60, "192.0.2.0/28", status=body["status"]), POOL)
    reconciler.work()
    assert reconciler.object_work() == []


def test_a_write_carries_version_addresses_condition_and_one_event() -> None:
    reconciler = begun(services=[service("web", 5)], pools=[pool("p", 6, "192.0.2.0/28")])
    [write] = reconciler.work().writes
    job = service_job((SERVICE, write.service.key), write, "2026-01-02T00:00:00Z")
    assert job.path == "/api/v1/namespaces/ns/services/web"
    assert job.body["metadata"]["resourceVersion"] == "5"
    assert job.body["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.0", "ipMode": "VIP"}]
    assert job.body["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-02T00:00:00Z"
    [event] = job.events
    assert (event.type, event.reason, event.about.uid) == ("Normal", "Assigned", "uid-web")


def in_conflict(body: Body, ip: str) -> Body:
    """The Service after a speaker found that a foreign host has its address."""
    message = f"{ip} is not announced on the local link: another host has it, with hardware address 02:00:00:00:00:01"
    told = {"type": "heraldlb.io/Announced", "status": "False", "reason": "AddressConflict", "message": message}
    body["status"]["conditions"].append({**told, "lastTransitionTime": "2026-01-01T00:00:00Z"})
    body["metadata"]["resourceVersion"] = "60"
    return body


def test_a_service_whose_address_a_foreign_host_has_gets_the_next_and_nobody_else_gets_that_one() -> None:
    reconciler = begun(services=[service("web", 1, ip="192.0.2.0")], pools=[pool("p", 2, "192.0.2.0/30")])
    assert reconciler.work().writes == []
    see(reconciler, in_conflict(service("web", 1, ip="192.0.2.0"), "192.0.2.0"))
    see(reconciler, service("late", 61))
    assert wanted(reconciler.work().writes) == {"web": ["192.0.2.1"], "late": ["192.0.2.2"]}


def test_a_new_leader_heeds_what_the_conditions_say() -> None:
    held = in_conflict(service("web", 1, ip="192.0.2.0"), "192.0.2.0")
    reconciler = begun(services=[held, service("late", 3)], pools=[pool("p", 2, "192.0.2.0/30")])
    assert wanted(reconciler.work().writes) == {"web": ["192.0.2.1"], "late": ["192.0.2.2"]}

"""The controller against a real API server, without nodes: what it writes, what it keeps, and what it survives."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from lb_controller.app.pace import Pace
from tests.e2e.controller_world import (
    SYSTEM,
    Cluster,
    ControllerProcess,
    addresses_of,
    condition_of,
    held,
    kubeconfig_of_the_chart,
    newest_log,
)
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


def test_a_created_service_has_address_condition_annotation_and_one_event(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("first", "10.77.1.10-10.77.1.12")
    cluster_api.create("web")
    assert cluster_api.address("web") == "10.77.1.10"
    service = cluster_api.services()["web"]
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": "10.77.1.10", "ipMode": "VIP"}]
    condition = cluster_api.condition("web")
    assert (condition["status"], condition["reason"]) == ("True", "Assigned")
    assert service["metadata"]["annotations"]["heraldlb.io/assigned-from-pool"] == "first"
    eventually(lambda: cluster_api.events("web") == ["Assigned"], within=5, what="one Event")
    eventually(
        lambda: cluster_api.pool_status("first").get("assignedIPv4") == 1, within=5, what="the pool counts the address"
    )
    assert cluster_api.pool_status("first")["availableIPv4"] == 2


def test_a_second_look_writes_nothing(processes: ControllerProcess, cluster_api: Cluster) -> None:
    processes.start("--relist-seconds=5")
    cluster_api.pool("quiet", "10.77.2.0/28")
    cluster_api.create("one", "two")
    cluster_api.address("one"), cluster_api.address("two")
    eventually(lambda: cluster_api.pool_status("quiet").get("assignedIPv4") == 2, within=5, what="the pool counts both")
    before = {name: item["metadata"]["resourceVersion"] for name, item in cluster_api.services().items()}
    writes = processes.metric('heraldlb_status_writes_total{kind="Service",result="written"}')
    processes.end()
    processes.start("--relist-seconds=5")
    eventually(lambda: processes.metric("heraldlb_is_leader") == 1, within=10, what="it assigns again")
    eventually(lambda: processes.metric("heraldlb_services") == 2, within=10, what="it knows both")
    after = {name: item["metadata"]["resourceVersion"] for name, item in cluster_api.services().items()}
    assert writes == 2
    assert after == before
    assert processes.metric('heraldlb_status_writes_total{kind="Service",result="written"}') == 0
    processes.end()


def test_a_burst_of_200_is_assigned_distinctly_within_10_seconds_through_a_kill(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("burst", "10.77.16.0/20")
    names = [f"s{number:03}" for number in range(200)]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [cluster_api.service(name) for name in names]})
    cluster_api.lab.space.start(
        "cp",
        _kubectl(cluster_api.lab, "create", "-f", _file(cluster_api, manifest)),
        cluster_api.lab.folder / "burst.log",
    )
    eventually(lambda: len(held(cluster_api.addresses())) > 20, within=15, every=0.02, what="the burst is on its way")
    before = held(cluster_api.addresses())
    controller.end(signal.SIGKILL)
    assert len(before) < 200
    controller.spawn()
    eventually(lambda: len(held(cluster_api.addresses())) == 200, within=10, what="all 200 have an address")
    after = held(cluster_api.addresses())
    assert len(set(after.values())) == 200
    assert {name: after[name] for name in before} == before


def _kubectl(lab: Lab, *words: str) -> list[str | Path]:
    return [lab.binaries / "kubectl", f"--kubeconfig={lab.kubeconfig}", *words]


def _file(cluster: Cluster, text: str) -> str:
    path = cluster.lab.folder / f"{cluster.namespace}.json"
    path.write_text(text)
    return str(path)


def test_a_shrunk_pool_moves_nobody_and_a_grown_one_serves_who_waits(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("edited", "10.77.3.1-10.77.3.2")
    cluster_api.create("a", "b")
    cluster_api.address("a"), cluster_api.address("b")
    before = cluster_api.addresses()
    cluster_api.create("c")
    cluster_api.refused("c", "PoolExhausted")
    cluster_api.pool("edited", "10.77.3.1-10.77.3.1", "10.77.3.8-10.77.3.8")
    assert cluster_api.address("c") == "10.77.3.8"
    after = cluster_api.addresses()
    assert {name: after[name] for name in before} == before
    [stranded] = [name for name, found in before.items() if found == ["10.77.3.2"]]
    eventually(
        lambda: cluster_api.condition(stranded)["reason"] == "AddressNotInPool",
        within=5,
        what="the stranded one is told",
    )
    assert cluster_api.condition(stranded)["status"] == "True"


def test_a_service_that_changes_its_type_and_back_loses_and_regains_an_address(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("types", "10.77.4.1-10.77.4.1")
    cluster_api.create("web")
    cluster_api.address("web")
    cluster_api.patch("web", {"type": "ClusterIP"})
    eventually(lambda: cluster_api.condition("web") == {}, within=10, what="our condition goes")
    service = cluster_api.services()["web"]
    assert addresses_of(service) == []
    assert "heraldlb.io/assigned-from-pool" not in service["metadata"].get("annotations", {})
    cluster_api.create("other")
    assert cluster_api.address("other") == "10.77.4.1"
    cluster_api.patch("web", {"type": "LoadBalancer"})
    cluster_api.refused("web", "PoolExhausted")
    cluster_api.delete("other")
    assert cluster_api.address("web") == "10.77.4.1"


def test_a_service_made_anew_again_and_again_is_served_at_once_each_time(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("small", "192.0.2.7/32")
    for _ in range(2 * Pace[str]().burst):
        cluster_api.create("a")
        assert cluster_api.address("a", within=2) == "192.0.2.7"
        cluster_api.delete("a")


def test_the_second_of_two_that_ask_for_one_address_gets_it_when_the_first_goes(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("asked", "10.77.5.0/28")
    cluster_api.create("first", loadBalancerIPs="10.77.5.7")
    assert cluster_api.address("first") == "10.77.5.7"
    cluster_api.create("second", loadBalancerIPs="10.77.5.7")
    cluster_api.refused("second", "AddressInUse")
    assert "first" in cluster_api.condition("second")["message"]
    cluster_api.delete("first")
    assert cluster_api.address("second", within=2) == "10.77.5.7"


def test_what_was_deleted_while_the_controller_was_away_is_free_afterwards(
    processes: ControllerProcess, cluster_api: Cluster
) -> None:
    processes.start()
    cluster_api.pool("absent", "10.77.6.1-10.77.6.2")
    cluster_api.create("stays")
    cluster_api.address("stays")
    cluster_api.create("goes")
    assert cluster_api.address("goes") == "10.77.6.2"
    processes.end(signal.SIGKILL)
    cluster_api.delete("goes")
    cluster_api.create("new")
    processes.start()
    assert cluster_api.address("new") == "10.77.6.2"
    assert cluster_api.addresses()["stays"] == ["10.77.6.1"]


def test_it_goes_on_by_itself_after_the_api_server_was_killed(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("outage", "10.77.7.0/24")
    cluster_api.create("before")
    address = cluster_api.address("before")
    [pid] = controller.pids()
    cluster_api.lab.stop_api_server()
    eventually(
        lambda: "not_leading" in newest_log(cluster_api.lab), within=30, what="it stops leading without its Lease"
    )
    cluster_api.lab.start_api_server()
    cluster_api.create("after")
    cluster_api.address("after", within=20)
    assert cluster_api.addresses()["before"] == [address]
    assert controller.pids() == [pid]


def test_a_frozen_api_server_loses_nothing(controller: ControllerProcess, cluster_api: Cluster) -> None:
    cluster_api.pool("frozen", "10.77.8.0/24")
    cluster_api.create("warm")
    cluster_api.address("warm")
    names = [f"f{number}" for number in range(30)]
    [server] = cluster_api.lab.space.find("cp", "/kube-apiserver ")
    cluster_api.create(*names)
    os.kill(server, signal.SIGSTOP)
    eventually(
        lambda: "not_leading" in newest_log(cluster_api.lab), within=30, what="it stops leading without its Lease"
    )
    os.kill(server, signal.SIGCONT)

    def all_distinct() -> bool:
        return len(set(held(cluster_api.addresses()).values())) == 31

    eventually(all_distinct, within=30, what="all have an address of their own")


def test_a_bad_pool_is_told_so_and_the_others_work(controller: ControllerProcess, cluster_api: Cluster) -> None:
    cluster_api.pool("good", "10.77.9.0/28")
    eventually(lambda: accepted(cluster_api, "good") == "True", within=5, what="the good pool is accepted")
    cluster_api.pool("overlapping", "10.77.9.0/24")
    eventually(lambda: accepted(cluster_api, "overlapping") == "False", within=5, what="the bad pool is refused")
    condition = condition_of({"status": cluster_api.pool_status("overlapping")}, "Accepted")
    assert condition["reason"] == "OverlapsAnotherPool"
    assert "good" in condition["message"]
    eventually(
        lambda: cluster_api.events("overlapping") == ["OverlapsAnotherPool"], within=5, what="a Warning Event says so"
    )
    cluster_api.create("web")
    assert cluster_api.address("web") == "10.77.9.0"
    cluster_api.lab.kubectl("delete", "ipaddresspool", "good")
    eventually(lambda: accepted(cluster_api, "overlapping") == "True", within=5, what="without the other it is good")


def accepted(cluster: Cluster, pool: str) -> str:
    return str(condition_of({"status": cluster.pool_status(pool)}, "Accepted").get("status"))


def test_a_service_of_another_class_is_left_alone(controller: ControllerProcess, cluster_api: Cluster) -> None:
    cluster_api.pool("classes", "10.77.10.0/24")
    other = cluster_api.service("theirs")
    other["spec"]["loadBalancerClass"] = "example.com/other"
    ours = cluster_api.service("ours")
    ours["spec"]["loadBalancerClass"] = "heraldlb.io/heraldlb"
    cluster_api.apply([other, ours])
    cluster_api.address("ours")
    assert cluster_api.services()["theirs"]["status"] == {"loadBalancer": {}}


def test_a_second_replica_takes_over_at_once_when_the_first_is_stopped(
    processes: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("replicas", "10.77.11.0/24")
    first = processes.start("--identity=one", "--metrics-port=9480")
    eventually(lambda: processes.metric("heraldlb_is_leader", 9480) == 1, within=20, what="the first leads")
    processes.start("--identity=two", "--metrics-port=9481")
    assert processes.metric("heraldlb_is_leader", 9481) == 0
    cluster_api.create("a")
    address = cluster_api.address("a")
    os.kill(first, signal.SIGTERM)
    cluster_api.create("b")
    assert cluster_api.address("b", within=4) not in ("", address)
    assert processes.metric("heraldlb_is_leader", 9481) == 1
    assert cluster_api.addresses()["a"] == [address]


def test_a_second_replica_takes_over_within_the_lease_when_the_first_is_killed(
    processes: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("killed", "10.77.12.0/24")
    first = processes.start("--identity=one", "--metrics-port=9480", "--lease-seconds=6")
    eventually(lambda: processes.metric("heraldlb_is_leader", 9480) == 1, within=20, what="the first leads")
    processes.start("--identity=two", "--metrics-port=9481", "--lease-seconds=6")
    os.kill(first, signal.SIGKILL)
    cluster_api.create("web")
    cluster_api.address("web", within=9)


def test_a_process_frozen_past_its_lease_goes_on_where_it_stood(
    processes: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("paused", "10.77.14.0/24")
    pid = processes.start("--lease-seconds=6")
    cluster_api.create("before")
    address = cluster_api.address("before")
    cluster_api.create(*(f"s{number}" for number in range(20)))
    os.kill(pid, signal.SIGSTOP)
    time.sleep(5)  # longer than a Lease of 6 s lets its holder write
    cluster_api.create(*(f"t{number}" for number in range(20)))
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(set(held(cluster_api.addresses()).values())) == 41, within=10, what="all have an address")
    assert cluster_api.addresses()["before"] == [address]


def test_a_sigterm_ends_it_with_status_0_and_an_empty_lease(processes: ControllerProcess, api: Lab) -> None:
    processes.start()
    eventually(lambda: processes.metric("heraldlb_is_leader") == 1, within=20, what="it leads")
    processes.end(signal.SIGTERM)
    assert '"stopped"' in newest_log(api)
    lease = json.loads(api.kubectl("-n", SYSTEM, "get", "lease", "heraldlb-controller", "-o", "json"))
    assert lease["spec"].get("holderIdentity", "") == ""


def test_a_watch_that_the_api_server_forgot_is_cured_by_a_list(
    controller: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("compacted", "10.77.13.1-10.77.13.2")
    cluster_api.create("stays", "goes")
    cluster_api.address("stays"), cluster_api.address("goes")
    [pid] = controller.pids()
    os.kill(pid, signal.SIGSTOP)
    freed = cluster_api.addresses()["goes"]
    cluster_api.delete("goes")
    cluster_api.create("new")
    cluster_api.lab.stop_api_server()
    cluster_api.lab.start_api_server()  # its watch cache begins anew: what it was asked from is too old
    os.kill(pid, signal.SIGCONT)
    assert [cluster_api.address("new", within=30)] == freed


def test_the_rights_that_the_chart_gives_are_enough(processes: ControllerProcess, cluster_api: Cluster) -> None:
    processes.kubeconfig = kubeconfig_of_the_chart(cluster_api.lab)
    processes.start()
    cluster_api.pool("rights", "10.77.15.0/28")
    cluster_api.create("web")
    cluster_api.address("web")
    eventually(lambda: cluster_api.events("web") == ["Assigned"], within=5, what="the Event")
    eventually(
        lambda: cluster_api.pool_status("rights").get("assignedIPv4") == 1, within=5, what="the pool counts the address"
    )
    cluster_api.patch("web", {"type": "ClusterIP"})
    eventually(lambda: cluster_api.condition("web") == {}, within=10, what="our condition goes")
    [pid] = processes.pids()
    os.kill(pid, signal.SIGSTOP)
    cluster_api.create("gone", "stays")
    cluster_api.delete("gone")
    os.kill(pid, signal.SIGCONT)
    cluster_api.address("stays")
    assert "is forbidden: User" not in newest_log(cluster_api.lab)
    processes.end(signal.SIGTERM)
    assert "lease_released" in newest_log(cluster_api.lab)

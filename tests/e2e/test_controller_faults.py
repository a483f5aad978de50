"""Faults while Services come, go, change and share, before the eyes of an observer that trusts nobody.

`make soak` kills the controller 50 times; `make test` a few times.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.controller_world import ROOT, SYSTEM, Cluster, ControllerProcess, held, newest_log
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
KILLS = int(os.environ.get("HERALD_SOAK_KILLS", "6"))
SEED = os.environ.get("HERALD_SOAK_SEED", "1")


class Churn:
    """The processes of tests.e2e.churn."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab, self.namespace = lab, namespace
        self.broken = lab.folder / f"broken-{namespace}"
        self._pids: dict[str, int] = {}

    def watch(self) -> None:
        self._start("watch", str(self.broken))
        eventually(self.broken.exists, within=20, what="the observer looks")

    def make(self, count: int = 500) -> None:
        self._start("make", SEED, str(count))

    def stop(self, what: str) -> None:
        pid = self._pids.pop(what, None)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: pid not in self._running(), within=15, what=f"{what} ends")

    def promises_kept(self) -> int:
        """No promise was broken; returns how many changes were seen."""
        self.stop("watch")
        assert self.broken.read_text() == ""
        return int(Path(f"{self.broken}.changes").read_text())

    def _running(self) -> list[int]:
        return self.lab.space.find("cp", "-m tests.e2e.churn")

    def _start(self, what: str, *arguments: str) -> None:
        words = ["-m", "tests.e2e.churn", what, str(self.lab.kubeconfig), self.namespace, *arguments]
        log = self.lab.folder / f"churn-{what}-{self.namespace}.log"
        self._pids[what] = self.lab.space.start("cp", [sys.executable, *words], log, {"PYTHONPATH": str(ROOT)})


@pytest.fixture
def churn(cluster_api: Cluster) -> Iterator[Churn]:
    """The observer looks; nothing happens yet."""
    churn = Churn(cluster_api.lab, cluster_api.namespace)
    churn.watch()
    yield churn
    churn.stop("make")
    churn.stop("watch")


def settled(cluster: Cluster) -> bool:
    """Every Service has an address, or was told why it has none."""
    for service in cluster.services().values():
        conditions = service["status"].get("conditions", [])
        told = [entry["status"] for entry in conditions if entry["type"] == "heraldlb.io/Assigned"]
        has = bool(service["status"].get("loadBalancer", {}).get("ingress"))
        if told != (["True"] if has else ["False"]):
            return False
    return True


@pytest.mark.timeout(900)
def test_a_controller_killed_again_and_again_during_churn_breaks_no_promise(
    processes: ControllerProcess, cluster_api: Cluster, churn: Churn
) -> None:
    cluster_api.pool("churn", "10.90.0.0/22")
    dice = random.Random(SEED)
    churn.make()
    for _ in range(KILLS):
        processes.spawn("--lease-seconds=6")
        time.sleep(dice.uniform(1.0, 5.0))
        processes.end(signal.SIGKILL)
    churn.stop("make")
    processes.start()
    eventually(lambda: settled(cluster_api), within=30, what="every Service has an address or a reason")
    time.sleep(1)
    assert churn.promises_kept() > KILLS * 20


@pytest.mark.timeout(600)
def test_replicas_killed_in_turn_during_churn_break_no_promise(
    processes: ControllerProcess, cluster_api: Cluster, churn: Churn
) -> None:
    cluster_api.pool("turns", "10.90.0.0/22")
    churn.make()
    words = {name: (f"--identity={name}", f"--metrics-port={port}") for name, port in (("one", 9480), ("two", 9481))}
    pids = {name: processes.start(*words[name], "--lease-seconds=6") for name in words}
    for name in ("one", "two", "one"):
        time.sleep(3)
        os.kill(pids[name], signal.SIGKILL)
        time.sleep(7)
        pids[name] = processes.start(*words[name], "--lease-seconds=6")
    churn.stop("make")
    eventually(lambda: settled(cluster_api), within=30, what="every Service has an address or a reason")
    churn.promises_kept()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["deleted", "emptied", "given to the other"])
def test_a_lease_changed_by_hand_during_churn_breaks_no_promise(
    processes: ControllerProcess, cluster_api: Cluster, churn: Churn, how: str
) -> None:
    cluster_api.pool("forced", "10.90.0.0/22")
    lease = ("-n", SYSTEM, "lease", "heraldlb-controller")
    for name, port in (("one", 9480), ("two", 9481)):
        processes.start(f"--identity={name}", f"--metrics-port={port}", "--lease-seconds=6")
    eventually(lambda: leaders(processes) == 1, within=20, what="one leads")
    churn.make()
    for _ in range(2):
        time.sleep(3)
        if how == "deleted":
            cluster_api.lab.kubectl("delete", *lease)
        else:
            holder = "" if how == "emptied" else passive(processes)
            patch = f'{{"spec":{{"holderIdentity":"{holder}"}}}}'
            cluster_api.lab.kubectl("patch", *lease, "--type=merge", "-p", patch)
        for _ in range(30):
            assert leaders(processes) <= 1
            time.sleep(0.1)
        eventually(lambda: leaders(processes) == 1, within=20, what="one leads again")
    churn.stop("make")
    eventually(lambda: settled(cluster_api), within=30, what="every Service has an address or a reason")
    churn.promises_kept()


def leaders(processes: ControllerProcess) -> int:
    return sum(processes.metric("heraldlb_is_leader", port) == 1 for port in (9480, 9481))


def passive(processes: ControllerProcess) -> str:
    return "two" if processes.metric("heraldlb_is_leader", 9480) == 1 else "one"


@pytest.mark.timeout(600)
def test_an_api_server_killed_during_churn_and_a_forgotten_watch_break_no_promise(
    processes: ControllerProcess, cluster_api: Cluster, churn: Churn
) -> None:
    cluster_api.pool("server", "10.90.0.0/22")
    processes.start("--lease-seconds=6")
    churn.make()
    for pause in (0.0, 8.0):
        time.sleep(3)
        cluster_api.lab.stop_api_server()
        time.sleep(pause)
        cluster_api.lab.start_api_server()
    time.sleep(3)
    churn.stop("make")
    eventually(lambda: settled(cluster_api), within=60, what="every Service has an address or a reason")
    churn.promises_kept()


def test_a_burst_through_an_api_server_s_death_gives_everybody_an_address_of_its_own(
    processes: ControllerProcess, cluster_api: Cluster, churn: Churn
) -> None:
    cluster_api.pool("death", "10.90.4.0/22")
    processes.start("--lease-seconds=6")
    [pid] = processes.pids()
    os.kill(pid, signal.SIGSTOP)
    cluster_api.create(*(f"d{number:03}" for number in range(400)))
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(held(cluster_api.addresses())) > 40, within=20, every=0.02, what="the burst is on its way")
    cluster_api.lab.stop_api_server()
    cluster_api.lab.start_api_server()
    eventually(lambda: len(set(held(cluster_api.addresses()).values())) == 400, within=40, what="all have one")
    churn.promises_kept()


def test_the_next_assignment_comes_within_2_seconds_of_a_sigterm_to_the_leader(
    processes: ControllerProcess, cluster_api: Cluster
) -> None:
    cluster_api.pool("handover", "10.90.9.0/24")
    first = processes.start("--identity=one", "--metrics-port=9480")
    eventually(lambda: processes.metric("heraldlb_is_leader", 9480) == 1, within=20, what="the first leads")
    processes.start("--identity=two", "--metrics-port=9481")
    os.kill(first, signal.SIGTERM)
    cluster_api.create("next")
    cluster_api.address("next", within=10)
    # By the controllers' own logs: kubectl takes its time on a busy machine.
    assert logged(cluster_api.lab, "assigning") - logged(cluster_api.lab, "stopping") < 2.0


def logged(lab: Lab, event: str) -> float:
    """When a controller of the last two said that, in seconds."""
    logs = sorted(lab.folder.glob("controller-*.log"), key=lambda path: int(path.stem.rpartition("-")[2]))[-2:]
    lines = [json.loads(line) for path in logs for line in path.read_text().splitlines() if line.startswith("{")]
    return max(datetime.fromisoformat(line["time"]).timestamp() for line in lines if line["event"] == event)


def test_a_pool_s_status_is_written_at_most_once_a_second(processes: ControllerProcess, cluster_api: Cluster) -> None:
    cluster_api.pool("counted", "10.90.10.0/23")
    processes.start()
    before = processes.metric('heraldlb_status_writes_total{kind="IPAddressPool",result="written"}')
    begin = time.monotonic()
    for number in range(10):
        cluster_api.create(*(f"p{number}-{index}" for index in range(20)))
    eventually(lambda: cluster_api.pool_status("counted").get("assignedIPv4") == 200, within=20, what="all are counted")
    writes = processes.metric('heraldlb_status_writes_total{kind="IPAddressPool",result="written"}') - before
    assert writes <= time.monotonic() - begin + 2
    assert "Conflict" not in newest_log(cluster_api.lab)

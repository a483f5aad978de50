"""A real Prometheus scrapes a real controller and real speakers, and the alerts fire for real causes.

The rules are the chart's, but for the time that they wait, which promtool tests (test_alerts.py). The series are held
against the documentation: what is scraped is what docs/reference/metrics.md lists.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import started
from tests.e2e.speaker_world import ROOT, SYSTEM, Facts
from tests.e2e.test_alerts import RULES
from tests.lab import packages
from tests.lab.lab import Lab
from tests.lab.wait import eventually
from tests.support import reference

pytestmark = pytest.mark.e2e
CONTROLLER = "-m lb_controller"
ADDRESSES = {"node1": "192.168.77.11", "node2": "192.168.77.12"}


class Prometheus:
    """The server in namespace `cp`, with the rules of the chart at once."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.folder = lab, lab.folder / "prometheus"

    def start(self) -> None:
        packages.install()
        self.folder.mkdir()
        rules = yaml.safe_load(RULES.read_text())
        for rule in rules["groups"][0]["rules"]:
            rule["for"] = "1s"
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        targets = ["127.0.0.1:9470", *(f"{address}:9471" for address in ADDRESSES.values())]
        scrape = {"job_name": "heraldlb", "static_configs": [{"targets": targets}]}
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        file = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(file))
        words = [f"--config.file={self.folder / 'prometheus.yaml'}", f"--storage.tsdb.path={self.folder / 'tsdb'}"]
        words.append("--web.listen-address=127.0.0.1:9090")
        self.lab.space.start(
            "cp", [shutil.which("prometheus") or "prometheus", *words], self.lab.folder / "prometheus.log"
        )
        eventually(lambda: self.ask("query?query=up") is not None, within=30, what="Prometheus answers")

    def ask(self, path: str) -> Any:
        url = f"http://127.0.0.1:9090/api/v1/{path}"
        result = self.lab.try_run("cp", "curl", "-sf", "-m", "5", "--noproxy", "*", url)
        return json.loads(result.stdout)["data"] if result.returncode == 0 and result.stdout else None

    def firing(self) -> list[dict[str, str]]:
        found = self.ask("alerts") or {"alerts": []}
        return [alert["labels"] for alert in found["alerts"] if alert["state"] == "firing"]

    def fires(self, alert: str, within: float = 40, **labels: str) -> None:
        """Wait until the alert fires with these labels, and only then."""
        wanted = {"alertname": alert, **labels}
        eventually(
            lambda: any(wanted.items() <= found.items() for found in self.firing()), within=within, what=f"{wanted}"
        )

    def quiet(self, alert: str, within: float = 40) -> None:
        eventually(
            lambda: all(found["alertname"] != alert for found in self.firing()), within=within, what=f"{alert} is over"
        )

    def names(self) -> set[str]:
        return {name for name in self.ask("label/__name__/values") if name.startswith("heraldlb_")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two bare nodes; on node2 something listens where MetalLB would, before the speaker looks."""
    with started(Lab(f"prom{os.getpid()}"), nodes=0, bare_nodes=2, router=False) as lab:
        listener = "import socket, time; s = socket.create_server(('0.0.0.0', 7946)); time.sleep(9999)"
        lab.space.start("node2", [sys.executable, "-c", listener], lab.folder / "listener.log")
        lab.start_speakers()
        lab.kubectl("create", "namespace", SYSTEM)
        start_controller(lab)
        yield lab


def start_controller(lab: Lab) -> None:
    command = [sys.executable, "-m", "lb_controller", f"--kubeconfig={lab.kubeconfig}"]
    lab.space.start("cp", command, lab.folder / "controller.log", {"PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def prometheus(lab: Lab) -> Prometheus:
    """With one Service in order."""
    facts = Facts(lab, "default")
    facts.ours("IPAddressPool", "link", {"addresses": ["192.168.77.192/28"]})
    facts.ours("L2Advertisement", "link", {"ipAddressPools": ["link"]})
    facts.load_balancer("good")
    facts.endpoints("good", *lab.node_names)
    server = Prometheus(lab)
    server.start()
    return server


@pytest.fixture
def facts(lab: Lab) -> Facts:
    return Facts(lab, "default")


def test_nothing_fires_where_all_is_well_but_what_the_preflight_found(lab: Lab, prometheus: Prometheus) -> None:
    instance = f"{ADDRESSES['node2']}:9471"
    prometheus.fires("HeraldLBPreflight", finding="MemberlistOnNode", instance=instance)
    for name in ("HeraldLBLeaderMissing", "HeraldLBAddressWithoutOwner", "HeraldLBSpeakerMissing"):
        prometheus.quiet(name)
    others = [found for found in prometheus.firing() if found["alertname"] != "HeraldLBPreflight"]
    assert others == []


def test_what_is_scraped_is_what_the_reference_lists(prometheus: Prometheus) -> None:
    listed = {name for process in reference.registries() for name in reference.metrics(process)}
    scraped = prometheus.names()
    assert scraped <= listed
    assert {"heraldlb_pool_addresses", "heraldlb_layer2_owned_addresses", "heraldlb_is_leader"} <= scraped


def test_a_service_that_gets_no_address_fires(prometheus: Prometheus, facts: Facts) -> None:
    metadata = {"name": "lost", "namespace": "default", "annotations": {"heraldlb.io/address-pool": "nowhere"}}
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    facts.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    prometheus.fires("HeraldLBServiceWithoutAddress", reason="UnknownPool")
    facts.delete("service", "lost")
    prometheus.quiet("HeraldLBServiceWithoutAddress")


def test_a_pool_that_is_full_and_an_address_that_nobody_announces_fire(prometheus: Prometheus, facts: Facts) -> None:
    facts.ours("IPAddressPool", "mute", {"addresses": ["203.0.113.7/32"], "autoAssign": False})
    metadata = {"name": "mute", "namespace": "default", "annotations": {"heraldlb.io/address-pool": "mute"}}
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    facts.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    facts.endpoints("mute", "node1")
    prometheus.fires("HeraldLBPoolFull", pool="mute", family="IPv4")
    prometheus.fires("HeraldLBPoolNearlyFull", pool="mute", family="IPv4")
    prometheus.fires("HeraldLBAddressNotAnnounced")
    facts.delete("service", "mute")
    facts.delete("ipaddresspool.heraldlb.io", "mute")
    for name in ("HeraldLBPoolFull", "HeraldLBPoolNearlyFull", "HeraldLBAddressNotAnnounced"):
        prometheus.quiet(name)


def test_an_object_that_is_not_in_use_fires(prometheus: Prometheus, facts: Facts) -> None:
    facts.ours("IPAddressPool", "overlapping", {"addresses": ["192.168.77.200/32"]})
    prometheus.fires("HeraldLBConfigInvalid", kind="IPAddressPool")
    facts.delete("ipaddresspool.heraldlb.io", "overlapping")
    prometheus.quiet("HeraldLBConfigInvalid")


def test_a_peer_that_does_not_answer_fires_for_every_node(prometheus: Prometheus, facts: Facts) -> None:
    facts.ours("BGPPeer", "nobody", {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.99"})
    for address in ADDRESSES.values():
        prometheus.fires("HeraldLBBGPSessionDown", peer="nobody", instance=f"{address}:9471")
    facts.delete("bgppeer.heraldlb.io", "nobody")
    prometheus.quiet("HeraldLBBGPSessionDown")


def test_an_announcer_that_stands_still_fires(lab: Lab, prometheus: Prometheus) -> None:
    for number in (signal.SIGSTOP, signal.SIGCONT):
        lab.space.signal("node1", r"-m speaker[.]announcer ", number)
        if number is signal.SIGSTOP:
            eventually(lambda: stopped(lab), within=5, what="a stopped announcer")
            lab.try_run("cp", "sleep", "1")  # the length of the pause is the point
    prometheus.fires("HeraldLBLoopLag", instance=f"{ADDRESSES['node1']}:9471")
    prometheus.quiet("HeraldLBLoopLag")


def stopped(lab: Lab) -> bool:
    [pid] = lab.space.find("node1", r"-m speaker[.]announcer ")
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()


def test_a_missing_leader_fires(lab: Lab, prometheus: Prometheus) -> None:
    lab.space.signal("cp", f"{CONTROLLER} ", signal.SIGTERM)
    prometheus.fires("HeraldLBLeaderMissing")
    start_controller(lab)
    prometheus.quiet("HeraldLBLeaderMissing")


def test_announcers_that_are_gone_and_a_missing_speaker_fire(lab: Lab, prometheus: Prometheus) -> None:
    for node in lab.bare_nodes:
        node.end("speaker.announcer")
    prometheus.fires("HeraldLBAddressWithoutOwner")
    for node in lab.bare_nodes:
        node.start(lab.kubeconfig, "speaker.announcer")
    prometheus.quiet("HeraldLBAddressWithoutOwner")
    lab.bare_nodes[1].end("speaker")
    prometheus.fires("HeraldLBSpeakerMissing")
    lab.bare_nodes[1].start(lab.kubeconfig, "speaker")
    prometheus.quiet("HeraldLBSpeakerMissing")

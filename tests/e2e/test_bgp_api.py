"""From objects at a real API server to a real FRR's table: speaker and BGP container of node n1, without kubelets."""

import json
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.bgp_world import Router
from tests.e2e.speaker_world import ROOT, SYSTEM, Facts, Speaker, frozen_controllers
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
NAMESPACE = "routing"
NODE = "192.168.77.5"  # where the speaker runs: the control plane's place
CONFIGURATION = f"""frr defaults datacenter
hostname router
router bgp 64500
 bgp router-id 192.168.77.1
 no bgp ebgp-requires-policy
 neighbor {NODE} remote-as 64512
 neighbor {NODE} timers 3 9
 neighbor {NODE} timers connect 1
"""
PEER = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1", "holdTime": "9s"}
KINDS = "ipaddresspools,bgpadvertisements,bgppeers,bgpnodestatuses"


@pytest.fixture(scope="module")
def facts(api: Lab) -> Iterator[Facts]:
    api.kubectl("create", "namespace", NAMESPACE)
    api.try_kubectl("create", "namespace", SYSTEM)
    facts = Facts(api, NAMESPACE)
    with frozen_controllers(api):
        facts.node("n1")
        facts.ours("IPAddressPool", "routed", {"addresses": ["10.79.0.0/24"]})
        yield facts
        facts.delete("services", "--all")
        facts.delete("endpointslices", "--all")
        facts.delete(KINDS, "--all")
        facts.delete("nodes", "n1")
    api.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def router(api: Lab, facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """FRR, and on the node the speaker with its BGP container."""
    folder = tmp_path_factory.mktemp("bgp")
    router, speaker = Router(api.space, "rtr", folder), Speaker(api, folder)
    try:
        router.start(CONFIGURATION)
        words = ["-m", "speaker.bgp", f"--socket-dir={folder}", "--log-format=json", "--drain-seconds=0"]
        api.space.start("cp", [sys.executable, *words], folder / "bgp.log", {"PYTHONPATH": str(ROOT)})
        speaker.start()
        yield router
    finally:
        speaker.end(signal.SIGKILL)
        api.space.signal("cp", r"-m speaker\.bgp ", signal.SIGTERM)
        eventually(lambda: not api.space.find("cp", r"speaker\.bgp"), within=20, what="the end of the BGP container")
        api.space.signal("rtr", "/usr/lib/frr/", signal.SIGKILL)
        router.remove()


@pytest.fixture(autouse=True)
def clean(facts: Facts) -> Iterator[None]:
    facts.ours("BGPPeer", "tor", PEER)
    yield
    facts.delete("services", "--all")
    facts.delete("bgpadvertisements,bgppeers", "--all")


def has(router: Router, *prefixes: str, within: float = 20) -> None:
    eventually(lambda: set(router.routes()) == set(prefixes), within=within, what=f"the table {prefixes}", every=0.05)


def test_an_aggregate_stays_as_long_as_one_of_its_services_lives(router: Router, facts: Facts) -> None:
    facts.ours("BGPAdvertisement", "routed", {"aggregationLength": 28})
    facts.service("a", "10.79.0.1")
    facts.service("b", "10.79.0.2")
    facts.service("c", "10.79.0.33")
    has(router, "10.79.0.0/28", "10.79.0.32/28")
    facts.delete("services", "a", "c")
    has(router, "10.79.0.0/28")
    facts.delete("services", "b")
    has(router)


def test_selectors_of_services_nodes_and_peers_are_followed(router: Router, facts: Facts) -> None:
    front, rack = {"matchLabels": {"tier": "front"}}, {"matchLabels": {"rack": "a"}}
    label = facts.lab.kubectl
    label("label", "node", "n1", "rack=a", "--overwrite")
    facts.ours("BGPAdvertisement", "routed", {"serviceSelectors": [front], "nodeSelectors": [rack], "peers": ["tor"]})
    facts.service("a", "10.79.0.1")
    facts.service("b", "10.79.0.2")
    label("-n", NAMESPACE, "label", "service", "a", "tier=front")
    has(router, "10.79.0.1/32")
    label("-n", NAMESPACE, "label", "service", "b", "tier=front")
    has(router, "10.79.0.1/32", "10.79.0.2/32")
    label("label", "node", "n1", "rack=b", "--overwrite")
    has(router)
    assert router.count(NODE) == 0, "the peer selects every node, so its session stays"
    label("label", "node", "n1", "rack=a", "--overwrite")
    has(router, "10.79.0.1/32", "10.79.0.2/32")
    facts.ours("BGPAdvertisement", "routed", {"nodeSelectors": [rack], "peers": ["another"]})
    has(router)
    facts.ours("BGPPeer", "tor", {**PEER, "nodeSelectors": [{"matchLabels": {"rack": "b"}}]})
    eventually(lambda: router.count(NODE) == -1, within=10, what="no session with a node that is not selected")


def test_a_password_that_changes_in_its_secret_is_followed(router: Router, facts: Facts) -> None:
    def secret(password: str) -> None:
        metadata = {"name": "tor", "namespace": SYSTEM}
        kind = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth"}
        facts.apply({**kind, "metadata": metadata, "stringData": {"username": "", "password": password}})
        router.configure("router bgp 64500", f"neighbor {NODE} password {password}")

    secret("first-password")
    facts.ours("BGPAdvertisement", "routed", {})
    facts.ours("BGPPeer", "tor", {**PEER, "passwordSecret": {"name": "tor"}})
    facts.service("a", "10.79.0.1")
    has(router, "10.79.0.1/32", within=30)
    before = router.sessions_made(NODE)
    secret("second-password")
    eventually(lambda: router.sessions_made(NODE) > before, within=30, what="a session with the second password")
    has(router, "10.79.0.1/32")
    status = json.loads(facts.lab.kubectl("get", "bgppeer", "tor", "-o", "json"))
    assert "second-password" not in json.dumps(status)
    router.configure("router bgp 64500", f"no neighbor {NODE} password")
    facts.lab.kubectl("-n", SYSTEM, "delete", "secret", "tor")

"""Twenty nodes without kubelets: the processes started by hand, one owner for each address, nothing else moves."""

import functools
import json
import os
import re
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import started
from tests.e2e.speaker_world import ROOT, SYSTEM, Facts
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
NODES = 20
SERVICES = [f"s{number}" for number in range(10)]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Lab]:
    """Twenty speakers and one controller, ten Services with addresses on the link."""
    with started(Lab(f"many{os.getpid()}"), nodes=0, bare_nodes=NODES, router=False) as lab:
        lab.start_speakers()
        lab.kubectl("create", "namespace", SYSTEM)
        controller = [sys.executable, "-m", "lb_controller", f"--kubeconfig={lab.kubeconfig}"]
        lab.space.start("cp", controller, lab.folder / "controller.log", {"PYTHONPATH": str(ROOT)})
        facts = Facts(lab, "default")
        facts.ours("IPAddressPool", "link", {"addresses": ["192.168.77.192/26"]})
        facts.ours("L2Advertisement", "link", {})
        for name in SERVICES:
            facts.load_balancer(name)
            facts.endpoints(name, *lab.node_names)
        yield lab


def addresses(lab: Lab) -> dict[str, str]:
    items = json.loads(lab.kubectl("get", "services", "-o", "json"))["items"]
    found = {item["metadata"]["name"]: item["status"].get("loadBalancer", {}).get("ingress", []) for item in items}
    return {name: ingress[0]["ip"] for name, ingress in found.items() if ingress}


def owners(lab: Lab, address: str) -> set[str]:
    """The nodes that answer the client's question."""
    output = lab.try_run("cli", "arping", "-I", "eth0", "-c", "1", "-w", "0.5", address).stdout
    macs = {mac.lower() for mac in re.findall(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", output)}
    return {names_by_mac(lab).get(mac, mac) for mac in macs}


@functools.lru_cache(maxsize=1)
def names_by_mac(lab: Lab) -> dict[str, str]:
    return lab.node_macs()


def settled(lab: Lab) -> dict[str, str]:
    """Address -> its one owner."""
    found = {}
    for address in addresses(lab).values():
        eventually(lambda address=address: len(owners(lab, address)) == 1, within=20, what=f"one owner of {address}")  # type: ignore[misc]
        [found[address]] = owners(lab, address)
    return found


def test_every_address_has_one_owner_and_they_are_spread(crowd: Lab) -> None:
    eventually(lambda: set(addresses(crowd)) == set(SERVICES), within=30, what="an address for each Service")
    found = settled(crowd)
    assert set(found.values()) <= set(crowd.node_names)
    assert len(set(found.values())) >= 4, "ten addresses on twenty nodes are spread"


def test_a_node_that_goes_takes_only_its_own_addresses_along(crowd: Lab) -> None:
    before = settled(crowd)
    lost = next(iter(before.values()))
    crowd.kubectl("delete", "node", lost)
    moved = [address for address, owner in before.items() if owner == lost]
    for address in moved:
        eventually(
            lambda address=address: owners(crowd, address) not in (set(), {lost}),  # type: ignore[misc]
            within=20,
            what=f"{address} on another node than {lost}",
        )
    after = settled(crowd)
    assert {address: owner for address, owner in after.items() if address not in moved} == {
        address: owner for address, owner in before.items() if address not in moved
    }

"""An address that a foreign host has: found before the first announcement, told with its MAC, and another one given."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.world import World
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
TAKEN, NEXT = "192.168.77.188", "192.168.77.189"
OBJECTS = {
    "IPAddressPool": {"addresses": [f"{TAKEN}-{NEXT}"], "autoAssign": False},
    "L2Advertisement": {"ipAddressPools": ["taken"]},
}


@pytest.fixture
def foreign(world: World) -> Iterator[str]:
    """The client of the LAN has the first address of the pool, and its kernel answers for it."""
    for kind, spec in OBJECTS.items():
        body = {"apiVersion": "heraldlb.io/v1beta1", "kind": kind, "metadata": {"name": "taken"}, "spec": spec}
        world.lab.kubectl("apply", "-f", "-", input=json.dumps(body))
    world.lab.space.ip("cli", "addr", "add", f"{TAKEN}/32", "dev", "eth0")
    link = json.loads(world.lab.space.ip("cli", "-j", "link", "show", "eth0"))
    yield str(link[0]["address"])
    world.lab.space.ip("cli", "addr", "del", f"{TAKEN}/32", "dev", "eth0")
    world.clean()
    world.lab.kubectl("delete", "ipaddresspool/taken", "l2advertisement/taken")


def announced(world: World, name: str) -> dict[str, str]:
    conditions = world.lab.get("service", name)["status"].get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == "heraldlb.io/Announced"), {})


def test_a_service_that_did_not_ask_for_it_gets_the_next_address(world: World, foreign: str) -> None:
    name = world.service("moves-on", pool="taken")

    def moved() -> bool:
        ingress = world.lab.get("service", name)["status"].get("loadBalancer", {}).get("ingress", [])
        return [entry["ip"] for entry in ingress] == [NEXT]

    eventually(moved, within=30, what=f"{NEXT} instead of {TAKEN}")
    eventually(lambda: announced(world, name).get("status") == "True", within=30, what="its announcement")
    [address] = world.addresses(name)
    assert world.answer("ext", address).startswith("web-")


def test_a_service_that_asked_for_it_is_told_who_has_it_until_it_is_free(world: World, foreign: str) -> None:
    world.lab.space.ip("cli", "addr", "add", f"{NEXT}/32", "dev", "eth0")
    name = world.service("insists", annotations={"heraldlb.io/loadBalancerIPs": NEXT})

    def conflict() -> bool:
        return announced(world, name).get("reason") == "AddressConflict"

    eventually(conflict, within=30, what="the condition AddressConflict")
    assert foreign in announced(world, name)["message"]
    world.lab.space.ip("cli", "addr", "del", f"{NEXT}/32", "dev", "eth0")
    eventually(
        lambda: announced(world, name).get("status") == "True", within=90, what="the end of the conflict by itself"
    )

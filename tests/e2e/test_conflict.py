"""An address that a foreign host has: found before the first announcement, told with its MAC, and another one given."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.world import World
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
TAKEN, NEXT = "192.168.77.188", "192.168.77.189"
POOL = {
    "apiVersion": "heraldlb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "taken"},
    "spec": {"addresses": [f"{TAKEN}-{NEXT}"], "autoAssign": False},
}


@pytest.fixture
def foreign(world: World) -> Iterator[str]:
    """The client of the LAN has the first address of the pool, and its kernel answers for it."""
    world.lab.kubectl("apply", "-f", "-", input=json.dumps(POOL))
    world.lab.space.ip("cli", "addr", "add", f"{TAKEN}/32", "dev", "eth0")
    link = json.loads(world.lab.space.ip("cli", "-j", "link", "show", "eth0"))
    yield str(link[0]["address"])
    world.lab.space.ip("cli", "addr", "del", f"{TAKEN}/32", "dev", "eth0")
    world.clean()
    world.lab.kubectl("delete", "ipaddresspool", "taken")


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


def test_a_service_that_asked_for_it_is_told_who_has_it_and_it_is_announced_by_nobody(
    world: World, foreign: str
) -> None:
    name = world.service("insists", annotations={"heraldlb.io/loadBalancerIPs": TAKEN})
    eventually(
        lambda: announced(world, name).get("reason") == "AddressConflict",
        within=30,
        what="the condition AddressConflict",
    )
    assert foreign in announced(world, name)["message"]
    world.lab.space.ip("cli", "addr", "del", f"{TAKEN}/32", "dev", "eth0")
    try:
        eventually(
            lambda: announced(world, name).get("status") == "True",
            within=90,
            what="the end of the quarantine by itself",
        )
    finally:
        world.lab.space.ip("cli", "addr", "add", f"{TAKEN}/32", "dev", "eth0")

"""Peers of different kinds at once: external and internal, with and without a password, over IPv4 and IPv6."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bgp_world import NODE4, NODE6, NODE_ASN, ROUTER6, ROUTER_ASN, BgpWorld, Router, peer, route, route6
from tests.lab.namespaces import LAN4
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
INTERNAL = f"{LAN4}.4"
INTERNAL_CONFIGURATION = f"""frr defaults datacenter
hostname internal
router bgp {NODE_ASN}
 bgp router-id {INTERNAL}
 neighbor {NODE4} remote-as {NODE_ASN}
 neighbor {NODE4} timers connect 1
 neighbor {NODE4} password internal-password
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BgpWorld]:
    world = BgpWorld(tmp_path)
    try:
        world.up()
        world.start_supervisor()
        yield world
    finally:
        world.down()


def has(router: Router, number: int, neighbor: str = NODE4, family: str = "ipv4") -> None:
    eventually(
        lambda: router.count(neighbor, family) == number,
        within=20,
        what=f"{number} {family} routes from {neighbor} at {router.member}",
        every=0.05,
    )


def test_internal_external_plain_and_password_peers_of_both_families_live_side_by_side(world: BgpWorld) -> None:
    internal = world.add_router("internal", 4, INTERNAL_CONFIGURATION)
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE6} password six-password")
    inside = peer("inside", INTERNAL, peer_asn=NODE_ASN, password="internal-password")
    plain, six = peer("plain"), peer("six", ROUTER6, password="six-password")
    routes = [
        route(1, "plain", "inside", local_pref=300, prepend=1),
        route(2, "plain"),
        route(3, "inside"),
        route6(1, "six"),
    ]
    speaker = world.connect()
    speaker.send([plain, inside, six], routes)
    has(world.router, 2)
    has(internal, 2)
    has(world.router, 1, NODE6, "ipv6")
    within, beyond = internal.path("203.0.0.1/32"), world.router.path("203.0.0.1/32")
    assert (within["aspath"]["string"], within["locPrf"]) == ("Local", 300)
    assert beyond["aspath"]["string"] == f"{NODE_ASN} {NODE_ASN}"
    assert "locPrf" not in beyond
    before = (world.router.sessions_made(), internal.sessions_made(), world.router.sessions_made(NODE6))
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE6} password next-password")
    speaker.send([plain, inside, peer("six", ROUTER6, password="next-password")], routes)
    eventually(
        lambda: world.router.sessions_made(NODE6) > before[2], within=20, what="a session with the next password"
    )
    has(world.router, 1, NODE6, "ipv6")
    assert (world.router.sessions_made(), internal.sessions_made()) == before[:2], "another session was reset"

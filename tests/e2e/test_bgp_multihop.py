"""A router that is two hops away, beside one on the link."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bgp_world import NODE4, NODE_ASN, BgpWorld, Router, peer, route
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
FAR, FAR_ASN = "192.168.88.50", 64501
FAR_CONFIGURATION = f"""frr defaults datacenter
hostname far
router bgp {FAR_ASN}
 bgp router-id {FAR}
 no bgp ebgp-requires-policy
 neighbor {NODE4} remote-as {NODE_ASN}
 neighbor {NODE4} ebgp-multihop 2
 neighbor {NODE4} timers connect 1
 neighbor {NODE4} passive
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BgpWorld]:
    world = BgpWorld(tmp_path)
    try:
        world.up()
        world.space.make_outside()
        world.space.forward("rtr")
        world.space.gateway("node")
        world.start_supervisor()
        yield world
    finally:
        world.down()


def test_a_router_behind_a_router_has_the_routes_beside_the_one_on_the_link(world: BgpWorld) -> None:
    far = Router(world.space, "ext", world.folder)
    world.others.append(far)
    far.start(FAR_CONFIGURATION)
    speaker = world.connect()
    speaker.send(
        [peer(), peer("far", FAR, peer_asn=FAR_ASN, multi_hop=True)], [route(1, "router", "far"), route(2, "far")]
    )
    eventually(lambda: far.count() == 2, within=20, what="two routes at the far router", every=0.05)
    eventually(lambda: world.router.count() == 1, within=20, what="one route at the near router", every=0.05)
    assert far.path("203.0.0.2/32")["aspath"]["string"] == str(NODE_ASN)
    assert far.path("203.0.0.2/32")["nexthops"][0]["ip"] == NODE4

"""One node and three kinds of routers at once, configured as the how-to pages say: FRR, BIRD and GoBGP."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from speaker.ipc.messages import Parting, Peer, Route
from tests.e2e.bgp_routers import BIRD_PART, GOBGP_PART, Bird, Gobgp, documented
from tests.e2e.bgp_world import NODE4, NODE6, NODE_ASN, ROUTER4, BgpWorld, SpeakerEnd, peer, route, route6
from tests.lab.namespaces import LAN4
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
ALL = ("frr", "bird", "gobgp")
ADDRESSES = {"frr": ROUTER4, "bird": f"{LAN4}.{BIRD_PART}", "gobgp": f"{LAN4}.{GOBGP_PART}"}


class Trio:
    """The world, and what each router has in its table."""

    def __init__(self, folder: Path) -> None:
        self.world = BgpWorld(folder)
        self.bird = Bird(self.world.space, "bird", folder)
        self.gobgp = Gobgp(self.world.space, "gobgp", folder)

    def up(self) -> None:
        self.world.up(documented("frr", "frr"))
        self.world.space.plug("bird", "bird", BIRD_PART)
        self.world.space.plug("gobgp", "gobgp", GOBGP_PART)
        self.bird.start(documented("bird", "bird"))
        self.gobgp.start(documented("gobgp", "toml"))

    def down(self) -> None:
        self.world.down()
        self.bird.remove()

    def counts(self, family: str = "ipv4") -> dict[str, int]:
        return {
            "frr": self.world.router.count(NODE4, family),
            "bird": self.bird.count(family),
            "gobgp": self.gobgp.count(family),
        }

    def have(self, number: int, family: str = "ipv4", within: float = 20) -> None:
        wanted = dict.fromkeys(ALL, number)
        eventually(
            lambda: self.counts(family) == wanted, within=within, what=f"{number} {family} routes everywhere", every=0.1
        )


def peers(**changes: object) -> list[Peer]:
    both = {"families": ("ipv4", "ipv6"), "next_hop_v6": NODE6}
    return [peer(name, address, **both, **changes) for name, address in ADDRESSES.items()]


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    trio = Trio(tmp_path_factory.mktemp("trio"))
    try:
        trio.up()
        trio.world.start_supervisor(drain_seconds=1.0)
        yield trio
    finally:
        trio.down()


@pytest.fixture
def speaker(trio: Trio) -> Iterator[SpeakerEnd]:
    speaker = trio.world.connect()
    yield speaker
    speaker.send(peers(), [])
    trio.have(0)
    trio.have(0, "ipv6")
    speaker.close()


def routes(number: int, **attributes: object) -> list[Route]:
    return [route(index, *ALL, **attributes) for index in range(1, number + 1)]


def test_every_router_has_the_routes_of_both_families(trio: Trio, speaker: SpeakerEnd) -> None:
    speaker.send(peers(), [*routes(50), *(route6(index, *ALL) for index in range(1, 31))])
    trio.have(50)
    trio.have(30, "ipv6")
    assert f"via {NODE4}" in trio.bird.route("203.0.0.1/32")
    assert trio.gobgp.attributes("203.0.0.1/32")[3]["nexthop"] == NODE4
    eventually(lambda: all(speaker.session(name).up for name in ALL), within=5, what="the report")
    speaker.send(peers(), routes(20))
    trio.have(20)
    trio.have(0, "ipv6")


def test_every_attribute_arrives_at_every_router(trio: Trio, speaker: SpeakerEnd) -> None:
    given = route(1, *ALL, med=70, prepend=2, communities=("65000:1", "large:65000:7:8"), extended=("target:65000:1",))
    speaker.send(peers(), [given])
    trio.have(1)
    shown = trio.bird.route("203.0.0.1/32")
    for words in (
        f"BGP.as_path: {NODE_ASN} {NODE_ASN} {NODE_ASN}",
        "BGP.med: 70",
        "BGP.community: (65000,1)",
        "BGP.large_community: (65000, 7, 8)",
        "BGP.ext_community: (rt, 65000, 1)",
    ):
        assert words in shown, shown
    found = trio.gobgp.attributes("203.0.0.1/32")
    assert found[2]["as_paths"][0]["asns"] == [NODE_ASN] * 3
    assert found[4]["metric"] == 70
    assert found[8]["communities"] == [65000 << 16 | 1]
    assert {8, 16, 32} <= found.keys()


def test_a_node_that_is_drained_becomes_the_last_choice_before_it_is_gone(trio: Trio, speaker: SpeakerEnd) -> None:
    speaker.send(peers(), routes(2))
    trio.have(2)
    speaker.send(peers(), routes(2, parting=Parting.LEAVES))
    eventually(lambda: "BGP.local_pref: 0" in trio.bird.route("203.0.0.1/32"), within=1, what="BIRD's last choice")
    assert trio.world.router.path("203.0.0.1/32")["locPrf"] == 0
    trio.have(0, within=5)


def test_a_router_that_is_restarted_disturbs_no_other_and_has_everything_again(trio: Trio, speaker: SpeakerEnd) -> None:
    speaker.send(peers(), routes(300))
    trio.have(300)
    before = trio.world.router.updates_received()
    trio.bird.birdc("restart", '"node*"')
    trio.world.space.signal("gobgp", "gobgpd", signal.SIGKILL)
    trio.gobgp.start(documented("gobgp", "toml"))
    trio.have(300, within=30)
    assert trio.world.router.updates_received() == before, "routes were sent again to a router that lost nothing"


def test_each_router_may_get_other_routes(trio: Trio, speaker: SpeakerEnd) -> None:
    given = [route(1, *ALL), route(2, "frr"), route(3, "bird", "gobgp"), route(4, "gobgp", med=4)]
    speaker.send(peers(), given)
    wanted = {"frr": 2, "bird": 2, "gobgp": 3}
    eventually(lambda: trio.counts() == wanted, within=20, what="each router's own routes", every=0.1)
    speaker.send(peers(), [route(4, "gobgp", med=5)])
    eventually(lambda: trio.gobgp.attributes("203.0.0.4/32").get(4, {}).get("metric") == 5, within=10, what="MED 5")

"""Property on real FRR: after any sequence of changes, flaps and restarts the router's table is what is wanted."""

import os
import random
import signal
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from speaker.ipc.messages import Parting, Route
from tests.e2e.bgp_world import NODE4, NODE6, NODE_ASN, BgpWorld, SpeakerEnd, peer, route, route6
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
PEERS = [peer("router", families=("ipv4", "ipv6"), next_hop_v6=NODE6)]


class Game:
    """The world and what is wanted; `step` is one thing that happens."""

    def __init__(self, world: BgpWorld, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.speaker: SpeakerEnd = world.connect()
        self.wanted: list[Route] = []

    def step(self) -> None:
        plays = [self.change] * 8 + [self.flap] * 3 + [self.kill_daemon, self.new_speaker, self.remove_peer]
        self.chance.choice(plays)()

    def change(self) -> None:
        numbers = self.chance.sample(range(1, 200), self.chance.randint(0, 120))
        self.wanted = [self.some(number) for number in numbers]
        self.speaker.send(PEERS, self.wanted)

    def some(self, number: int) -> Route:
        make = route if number % 3 else route6
        return make(
            number,
            med=self.chance.choice((None, 1, 2)),
            prepend=self.chance.choice((0, 0, 2)),
            communities=self.chance.choice(((), ("65000:1",), ("65000:1", "large:65000:7:8"))),
            parting=self.chance.choice((Parting.STAYS, Parting.STAYS, Parting.DEMOTED)),
        )

    def flap(self) -> None:
        self.world.router.vtysh(f"clear bgp ipv4 unicast {NODE4}")

    def kill_daemon(self) -> None:
        for pid in self.world.daemon_pids():
            os.kill(pid, signal.SIGKILL)

    def new_speaker(self) -> None:
        self.speaker.close()
        self.speaker = self.world.connect()

    def remove_peer(self) -> None:
        self.speaker.send([], self.wanted)
        self.speaker.send(PEERS, self.wanted)

    def table(self) -> dict[str, tuple[object, ...]]:
        """What FRR shows of each path: prefix -> MED and AS path."""
        found = {}
        for family in ("ipv4", "ipv6"):
            for prefix, paths in self.world.router.routes(family).items():
                found[prefix] = (paths[0].get("metric"), paths[0]["path"])
        return found

    def expected(self) -> dict[str, tuple[object, ...]]:
        return {
            str(ip_network(entry.prefix)): (entry.med, " ".join([str(NODE_ASN)] * (entry.prepend + 1)))
            for entry in self.wanted
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BgpWorld]:
    world = BgpWorld(tmp_path_factory.mktemp("property"))
    try:
        world.up()
        world.start_supervisor()
        yield world
    finally:
        world.down()


@pytest.mark.parametrize("seed", range(4))
def test_the_router_ends_up_with_exactly_what_is_wanted(world: BgpWorld, seed: int) -> None:
    game = Game(world, random.Random(seed))
    for _ in range(15):
        game.step()
    game.speaker.send(PEERS, game.wanted)
    expected = game.expected()
    eventually(lambda: game.table() == expected, within=30, what="the wanted table", every=0.2)
    demoted = next((entry for entry in game.wanted if entry.parting is Parting.DEMOTED), None)
    if demoted is not None:
        family = "ipv6" if ":" in demoted.prefix else "ipv4"
        assert "graceful-shutdown" in world.router.path(demoted.prefix, family)["community"]["string"]
    game.speaker.close()

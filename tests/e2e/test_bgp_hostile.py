"""Peers that break the rules: each is told with its reason, the others notice nothing, memory stays bounded."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bgp_world import ROOT, BgpWorld, SpeakerEnd, peer, route
from tests.lab.namespaces import LAN4
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e

# kind -> words of the reason that is reported, "" where the session may stay up
KINDS = {
    "garbage": "refused: Message header error",
    "wrong_as": "refused: OPEN error bad peer AS; it says 65010, you say 64500",
    "broken_capability": "refused: OPEN message error",
    "storm": "closed the session: Cease, Connection Rejected",
    "half_open": "",
    "endless": "",
    "silent": "Hold timer expired",
    "broken_update": "",
    "slow_reader": "",
    "full_table": "",
}
FIRST = 50
ADDRESSES = {kind: f"{LAN4}.{FIRST + number}" for number, kind in enumerate(KINDS)}
MOST_MEGABYTES = 150


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BgpWorld]:
    world = BgpWorld(tmp_path_factory.mktemp("hostile"))
    try:
        world.up()
        world.space.plug("hst", "hst", FIRST)
        for address in list(ADDRESSES.values())[1:]:
            world.space.ip("hst", "addr", "add", f"{address}/24", "dev", "eth0")
        words = [f"{address}={kind}" for kind, address in ADDRESSES.items()]
        command = [sys.executable, "-m", "tests.e2e.hostile", *words]
        world.space.start("hst", command, world.folder / "hostile.log", {"PYTHONPATH": str(ROOT)})
        world.start_supervisor()
        yield world
    finally:
        world.down()


def megabytes(world: BgpWorld) -> float:
    pids = world.space.find("node", r"speaker\.bgp|bridge\.py")
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def test_hostile_peers_are_told_with_their_reason_and_harm_nobody(world: BgpWorld) -> None:
    speaker: SpeakerEnd = world.connect()
    good = peer(hold_time=9)
    speaker.send([good], [route(1, "router")])
    eventually(lambda: world.router.count() == 1, within=20, what="the good session")
    sessions = world.router.sessions_made()
    bad = [peer(kind, address, hold_time=9) for kind, address in ADDRESSES.items()]
    many = [route(number, "router", *KINDS) for number in range(1, 2001)]
    speaker.send([good, *bad], many)
    for kind, words in KINDS.items():
        if words:
            eventually(
                lambda: words in speaker.session(kind).last_error,  # noqa: B023 - it is called before the next turn
                within=40,
                what=f"the reason of {kind}: {speaker.session(kind).last_error}",
            )
    eventually(lambda: world.router.count() == 2000, within=30, what="every route at the good router", every=0.2)
    assert not speaker.session("half_open").up
    assert not speaker.session("endless").up
    # More routes while they rage: the good router still gets each.
    for number in range(2001, 2004):
        speaker.send([good, *bad], [*many, *(route(extra, "router") for extra in range(2001, number + 1))])
        count = number
        eventually(lambda: world.router.count() == count, within=10, what=f"route {number}", every=0.02)  # noqa: B023
    assert world.router.sessions_made() == sessions, "the good session was reset"
    assert len(world.daemon_pids()) == 1
    assert megabytes(world) < MOST_MEGABYTES
    assert '"daemon_ended"' not in world.log()

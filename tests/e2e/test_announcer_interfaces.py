"""The announcer and its interfaces: what comes, goes, changes its name, its MAC or its place is noticed by event."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.link_world import VIP4, VIP6, LinkWorld, SpeakerEnd, mine
from tests.lab.shell import run
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
# By event it takes some milliseconds; the bound is for a machine that is busy with other things.
NOTICED = 1.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    world = LinkWorld(tmp_path)
    try:
        world.up()
        world.start()
        yield world
    finally:
        world.down()
        print(world.log())


@pytest.fixture
def speaker(world: LinkWorld) -> SpeakerEnd:
    """Connected; both addresses are owned on all interfaces."""
    speaker = world.connect()
    speaker.say(mine(VIP4), mine(VIP6))
    world.owned(speaker, VIP4, VIP6)
    return speaker


def noticed(speaker: SpeakerEnd, *interfaces: str, within: float = NOTICED) -> None:
    def seen() -> bool:
        return speaker.owned(VIP4) == interfaces == speaker.owned(VIP6)

    eventually(seen, within=within, what=f"{interfaces}, not {speaker.state.owned}", every=0.002)


def test_a_new_interface_is_used(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.add_cable("eth2", "eth2")
    world.space.ip("cli", "addr", "add", "192.168.78.50/24", "dev", "eth2")
    noticed(speaker, "eth0", "eth1", "eth2")
    assert world.asks(VIP4, "eth2", wait=3) == world.mac("node", "eth2")
    assert world.asks(VIP6, "eth2", wait=3) == world.mac("node", "eth2")


def test_an_interface_that_is_deleted_is_given_up(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.ip("node", "link", "del", "eth1")
    noticed(speaker, "eth0")
    assert world.asks(VIP4, wait=3) == world.mac("node")


def test_a_renamed_interface_answers_under_its_new_name(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.ip("node", "link", "set", "eth1", "down")
    noticed(speaker, "eth0")
    world.space.ip("node", "link", "set", "eth1", "name", "lan9")
    world.space.ip("node", "link", "set", "lan9", "up")
    noticed(speaker, "eth0", "lan9")
    assert world.asks(VIP4, "eth1", wait=3) == world.mac("node", "lan9")


def test_an_advertisement_by_name_follows_the_name(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.say(mine(VIP4, "lan9"), mine(VIP6, "lan9"))
    eventually(lambda: not speaker.state.owned, within=5, what="nothing owned without the interface")
    assert world.asks(VIP4, "eth1") == ""
    world.space.ip("node", "link", "set", "eth1", "down")
    world.space.ip("node", "link", "set", "eth1", "name", "lan9", "up")
    noticed(speaker, "lan9")
    assert world.asks(VIP4, "eth1", wait=3) == world.mac("node", "lan9")


def test_a_changed_mac_is_answered_and_told_to_everybody(world: LinkWorld, speaker: SpeakerEnd) -> None:
    for address in (VIP4, VIP6):
        entry = ("neigh", "replace", address, "dev", "eth0", "lladdr", world.mac("node"), "nud", "stale")
        world.space.ip("cli", *entry)
    world.space.ip("node", "link", "set", "eth0", "address", "02:00:00:00:00:77")
    eventually(
        lambda: "02:00:00:00:00:77" in world.neighbour(VIP4) and "02:00:00:00:00:77" in world.neighbour(VIP6),
        within=5,
        what="the new MAC at the client",
        every=0.01,
    )
    assert world.asks(VIP4, wait=3) == "02:00:00:00:00:77"
    assert world.asks(VIP6, wait=3) == "02:00:00:00:00:77"


def test_an_interface_in_a_bridge_gives_way_to_the_bridge_and_back(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.ip("node", "link", "add", "br0", "type", "bridge")
    world.space.ip("node", "link", "set", "br0", "up")
    world.space.ip("node", "link", "set", "eth1", "master", "br0")
    noticed(speaker, "br0", "eth0", within=5)
    eventually(lambda: world.asks(VIP4, "eth1") == world.mac("node", "br0"), within=15, what="an answer by the bridge")
    world.space.ip("node", "link", "set", "eth1", "nomaster")
    noticed(speaker, "eth0", "eth1", within=5)
    eventually(lambda: world.asks(VIP4, "eth1") == world.mac("node", "eth1"), within=15, what="an answer by eth1")


def test_carrier_lost_gives_the_addresses_up_and_carrier_back_takes_them(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.say(mine(VIP4, "eth0"), mine(VIP6, "eth0"))
    noticed(speaker, "eth0", within=5)
    world.space.ip("sw", "link", "set", "node", "down")
    eventually(lambda: not speaker.state.owned, within=NOTICED, what="the release", every=0.002)
    world.space.ip("sw", "link", "set", "node", "up")
    noticed(speaker, "eth0", within=5)
    eventually(lambda: world.asks(VIP4, wait=0.5) != "", within=10, what="an answer", every=0)


def test_excluded_down_and_non_arp_interfaces_are_not_used(world: LinkWorld, speaker: SpeakerEnd) -> None:
    for name, client in (("veth7", "p7"), ("cali8", "p8"), ("dummy0", "p0"), ("lan3", "p3"), ("lan4", "p4")):
        world.add_cable(name, client)
    world.space.ip("node", "link", "set", "lan3", "arp", "off")
    noticed(speaker, "eth0", "eth1", "lan4", within=5)
    world.space.ip("node", "link", "set", "lan4", "down")
    noticed(speaker, "eth0", "eth1")


def test_exclusion_patterns_can_be_set(world: LinkWorld) -> None:
    world.end()
    world.start("--exclude-interfaces=^eth1$,^lo$")
    speaker = world.connect()
    speaker.say(mine(VIP4), mine(VIP6))
    noticed(speaker, "eth0", within=10)
    assert world.asks(VIP4, "eth1") == ""


def test_a_storm_of_link_events_while_the_process_is_frozen_loses_nothing(
    world: LinkWorld, speaker: SpeakerEnd
) -> None:
    assert world.announcer is not None
    os.kill(world.announcer.pid, signal.SIGSTOP)
    lines = [f"link set eth0 alias number-{n}" for n in range(3000)]  # far more than the socket's buffer holds
    batch = ["ip", "-n", world.space.name("node"), "-batch", "-"]
    run(batch, input="\n".join(lines))
    world.space.ip("node", "link", "del", "eth1")
    os.kill(world.announcer.pid, signal.SIGCONT)
    noticed(speaker, "eth0", within=20)
    assert world.asks(VIP4, wait=3) == world.mac("node")
    assert world.announcer.poll() is None


def test_changes_are_noticed_within_a_tenth_of_a_second(world: LinkWorld, speaker: SpeakerEnd) -> None:
    """The best of some attempts: what polling could never reach, and a busy machine still can."""
    took = []
    for _ in range(5):
        world.space.ip("node", "link", "set", "eth1", "down")
        begin = time.monotonic()
        noticed(speaker, "eth0", within=5)
        took.append(time.monotonic() - begin)
        world.space.ip("node", "link", "set", "eth1", "up")
        noticed(speaker, "eth0", "eth1", within=5)
    assert min(took) < 0.1

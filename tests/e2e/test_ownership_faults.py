"""What befalls several nodes of a LAN, or the paths between them: the client sees one owner of an address."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.ownership_world import Asking, Member, OwnershipWorld
from tests.lab.namespaces import LAN4
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
NAMES = ["node-a", "node-b", "node-c"]
VIP = f"{LAN4}.200"
MANY = [f"{LAN4}.{number}" for number in range(200, 230)]
# The goals are 1.0 s, and 2.0 s where two nodes go; other work runs on the machine that tests.
ONE, TWO = 1.5, 3.0


def made(tmp_path: Path, names: Sequence[str], absent: Sequence[str] = ()) -> Iterator[OwnershipWorld]:
    world = OwnershipWorld(tmp_path, list(names))
    try:
        world.up(absent=absent)
        yield world
    finally:
        world.down()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OwnershipWorld]:
    yield from made(tmp_path, NAMES)


def settled(world: OwnershipWorld) -> tuple[list[Member], Asking]:
    """The members by their rank, once the first of them owns and BFD is up; and the client that asks."""
    world.announce(VIP)
    ranked = [world.members[name] for name in world.ranked(VIP, NAMES)]
    asking = world.ask(VIP)
    time.sleep(3)
    assert asking.who() == {ranked[0].mac}
    return ranked, asking


def one_owner(asking: Asking, seconds: float) -> bytes:
    """The only one that answers from now on for so long."""
    begun = time.monotonic()
    time.sleep(seconds)
    found = {mac for at, mac in asking.answers if at > begun}
    assert len(found) == 1, [mac.hex(":") for mac in found]
    return found.pop()


@pytest.mark.parametrize("ways", ["both", "from the owner", "to the owner"])
def test_two_that_do_not_hear_each_other_leave_one_owner(world: OwnershipWorld, ways: str) -> None:
    [owner, second, _], asking = settled(world)
    begun = time.monotonic()
    if ways != "to the owner":
        world.part(owner, second)
    if ways != "from the owner":
        world.part(second, owner)
    time.sleep(ONE)
    during = one_owner(asking, 3)
    world.join()
    time.sleep(ONE)
    assert one_owner(asking, 1) == during, "the end of a fault is no reason to move"
    gap = asking.longest_gap(begun - 0.1)
    print(f"parted, {ways}: {gap:.3f} s without an answer, {'moved' if during != owner.mac else 'stayed'}")
    assert gap <= ONE


def test_the_third_answers_when_the_owner_and_the_second_are_cut_at_once(world: OwnershipWorld) -> None:
    [owner, second, third], asking = settled(world)
    begun = time.monotonic()
    world.cut(owner.name)
    world.cut(second.name)
    eventually(lambda: asking.who(0.1) == {third.mac}, within=10, what="the third answers", every=0.01)
    time.sleep(0.5)
    gap = asking.longest_gap(begun - 0.1)
    print(f"owner and second cut: {gap:.3f} s without an answer")
    assert gap <= TWO
    for member in (owner, second):
        world.cut(member.name, up=True)
    time.sleep(ONE)
    assert one_owner(asking, 2) == third.mac


def test_a_link_that_flaps_twenty_times_leaves_one_owner(world: OwnershipWorld) -> None:
    [owner, *_], asking = settled(world)
    begun = time.monotonic()
    for number in range(20):
        world.cut(owner.name)
        time.sleep(0.05 + 0.04 * number)  # some too short to be noticed, some not
        world.cut(owner.name, up=True)
        time.sleep(0.2)
    time.sleep(ONE)
    one_owner(asking, 2)
    gap = asking.longest_gap(begun - 0.1)
    print(f"flapping: {gap:.3f} s without an answer")
    assert gap <= TWO


def test_a_short_loss_of_carrier_is_over_soon(world: OwnershipWorld) -> None:
    """The kernel's question for its neighbours, asked before the switch port was up, costs no second."""
    [owner, *_], asking = settled(world)
    begun = time.monotonic()
    world.cut(owner.name)
    time.sleep(0.15)
    world.cut(owner.name, up=True)
    time.sleep(ONE)
    assert one_owner(asking, 0.5) == owner.mac
    gap = asking.longest_gap(begun - 0.1)
    print(f"carrier lost for 0.15 s: {gap:.3f} s without an answer")
    assert gap <= 0.55


def test_nodes_that_come_one_by_one_move_nothing(tmp_path: Path) -> None:
    names = [f"node-{letter}" for letter in "abcdefghij"]
    for world in made(tmp_path, names, absent=names[3:]):
        for count in range(3, 11):
            present = names[:count]
            newest = world.members[present[-1]]
            if newest.process is None:
                newest.start()
                newest.connect()
            for name in present:
                world.members[name].say(MANY, present)
            owners = owned(world)
            if count == 3:
                before = owners
                time.sleep(3)
            assert owners == before, f"{newest.name} came"
        time.sleep(3)
        assert owned(world) == before
        assert {owner for owner in before.values()} == set(names[:3])


def owned(world: OwnershipWorld) -> dict[str, str]:
    """The owner of each address, once each has one."""
    eventually(lambda: all(world.owner(address) for address in MANY), within=10, what="owners", every=0.02)
    return {address: owner.name for address in MANY if (owner := world.owner(address)) is not None}

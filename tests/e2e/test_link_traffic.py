"""Planned moves on the link under a train of connections: a drained owner, and the DaemonSet rolled node by node.

Who answers is watched in the client's neighbour table; a new connection must never fail, whoever it meets.
"""

import pytest

from tests.e2e.patient import assert_only_what_was_under_way_was_cut, reached
from tests.e2e.train import Changes, train
from tests.e2e.world import EXCLUDE, Address, World
from tests.lab.namespaces import NETNS
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def address(world: World, patient: str) -> Address:
    """An address on the link whose pods lose no connection; the client gets answers."""
    [found] = world.addresses(world.service("planned", pool="link", app=patient))
    reached(world, "cli", found)
    return found


def test_no_new_connection_fails_while_the_owner_is_drained(world: World, address: Address) -> None:
    owner, cli = world.arp_owner(address), NETNS / world.lab.space.name("cli")
    with Changes(cli, "ip", "monitor", "neigh") as moves, train(cli, address) as met:
        world.lab.kubectl("drain", owner, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        world.lab.kubectl("label", "node", owner, f"{EXCLUDE}=")
        try:
            eventually(lambda: world.arp_owner(address) != owner, within=20, what=f"another owner than {owner}")
        finally:
            world.lab.kubectl("label", "node", owner, f"{EXCLUDE}-")
            world.lab.kubectl("uncordon", owner)
    assert world.arp_owner(address) != owner, "nothing goes back by itself"
    assert_only_what_was_under_way_was_cut(met, moves)


def test_no_new_connection_fails_while_the_daemonset_is_rolled(world: World, address: Address) -> None:
    cli = NETNS / world.lab.space.name("cli")
    with Changes(cli, "ip", "monitor", "neigh") as moves, train(cli, address) as met:
        world.roll_speakers()
    world.speakers_ready()
    assert_only_what_was_under_way_was_cut(met, moves)

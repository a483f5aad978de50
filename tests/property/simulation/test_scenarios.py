"""Named scenarios: each was once a counterexample to a rule, and says what must happen instead."""

import pytest

from speaker.announcer.ownership.events import Announce, Cleared, Conflict, NoHeir, Quarantined, Unwilling
from speaker.announcer.ownership.messages import Strength, Suspect
from tests.property.simulation.lan import CLIENT, Quality
from tests.property.simulation.world import Setting, World

SEEDS = range(3)
TAKEOVER = 0.8 + 0.002  # seconds: detection, window, and two frames on the way


def world_of(seed: object, *, settle: float = 3.0, addresses: int = 1, nodes: int = 3, **more: object) -> World:
    """A cluster in peace."""
    world = World(seed, Setting(nodes=nodes, addresses=addresses, **more))  # type: ignore[arg-type]
    world.start_all()
    world.run(settle)
    assert all(len(world.owners(address)) == 1 for address in world.addresses)
    world.checks.forget()
    return world


def ranked(world: World) -> list[str]:
    """The candidates of the first address, the owner first."""
    return list(world.nodes["n0"].entries[world.addresses[0]].candidates)


def owner(world: World) -> str:
    """The one owner of the first address."""
    [name] = world.owners(world.addresses[0])
    return name


def strength(world: World, name: str) -> Strength | None:
    machine = world.nodes[name].machine
    claim = machine.claim(name, world.addresses[0]) if machine is not None else None
    return Strength(claim.strength) if claim is not None else None


def sound(world: World) -> None:
    world.checks.finish()
    assert not world.checks.broken, "\n".join(map(str, world.checks.broken[:5]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nodes", [3, 5, 9])
def test_ce_1_survivors_that_probe_and_ask_each_other_do_not_hold_the_dead_for_alive(nodes: int, seed: int) -> None:
    world = world_of(f"ce1/{seed}", nodes=nodes)
    world.kill(owner(world))
    world.run_for(3)
    assert world.checks.longest_gap <= TAKEOVER
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_ce_2_a_thawed_owner_gives_way_to_a_weak_heir(seed: int) -> None:
    world = world_of(f"ce2/{seed}", nodes=2)
    first = owner(world)
    world.freeze(first)
    world.run_for(1.4)
    heir = owner(world)
    assert heir != first
    assert strength(world, heir) is Strength.WEAK
    world.checks.forget()
    world.thaw(first)
    world.run_for(3)
    assert owner(world) == heir
    assert world.checks.longest_gap == 0
    assert world.checks.longest_double == 0
    sound(world)


@pytest.mark.parametrize("pause", [0.05, 0.2, 0.5, 1.5])
@pytest.mark.parametrize("nodes", [3, 5])
def test_ce_3_an_isolated_node_that_flaps_never_silences_the_owner(nodes: int, pause: float) -> None:
    world = world_of(f"ce3/{pause}", nodes=nodes)
    first, second, *_ = ranked(world)
    world.checks.protect(first)
    for _ in range(6):
        world.split({second})
        world.run_for(pause)
        assert strength(world, second) is not Strength.STRONG
        world.split({second}, by=-1)
        world.run_for(pause)
    world.run_for(3)
    assert owner(world) == first
    sound(world)


def test_ce_4_a_node_that_was_mute_for_long_takes_nothing_when_it_is_heard_again() -> None:
    world = world_of("ce4")
    first, second, *_ = ranked(world)
    world.checks.protect(first)
    world.set_mute(second, mute=True)
    world.run_for(8)
    world.set_mute(second, mute=False)
    world.run_for(3)
    assert owner(world) == first
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_ce_5_a_deaf_owner_is_replaced(seed: int) -> None:
    world = world_of(f"ce5/{seed}")
    first = owner(world)
    world.set_deaf(first, deaf=True)
    world.run_for(3)
    assert owner(world) != first
    assert world.checks.longest_gap <= 1.0
    world.set_deaf(first, deaf=False)
    world.run_for(3)
    assert owner(world) != first
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_ce_6_claims_of_returned_nodes_do_not_beat_the_living_owner(seed: int) -> None:
    world = world_of(f"ce6/{seed}", addresses=5)
    first, second, third = ranked(world)
    world.freeze(first)
    world.run_for(0.3)
    world.set_carrier(second, up=False)
    world.run_for(3)
    assert {name for address in world.addresses for name in world.owners(address)} == {third}
    world.checks.protect(third)
    world.thaw(first)
    world.set_carrier(second, up=True)
    world.run_for(3)
    assert {name for address in world.addresses for name in world.owners(address)} == {third}
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_ce_7_a_thawed_node_that_reads_a_queue_full_of_words_of_the_dead_vouches_for_nobody(seed: int) -> None:
    world = world_of(f"ce7/{seed}", nodes=4, addresses=5)
    first, second, third, fourth = ranked(world)
    world.freeze(first)
    world.run_for(0.4)
    world.kill(second)
    world.kill(third)
    world.run_for(0.25)
    before = world.datagrams["Alive"]
    world.thaw(first)
    world.run_for(0.5)
    assert world.datagrams["Alive"] == before, "nobody is there to be vouched for"
    world.run_for(3)
    assert all(set(world.owners(address)) <= {first, fourth} for address in world.addresses)
    sound(world)


def test_ce_8_a_restarted_node_that_the_owner_cannot_hear_is_vetoed_by_a_witness() -> None:
    world = world_of("ce8")
    first, second, _ = ranked(world)
    world.checks.protect(first)
    world.kill(second)
    world.run_for(2)
    world.cut(second, first)
    world.start(second)
    world.run_for(6)
    assert strength(world, second) is None
    assert owner(world) == first
    sound(world)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("nodes", [3, 9])
def test_ce_9_and_11_isolation_that_heals_within_the_window_yields_no_strong_claim(nodes: int, seed: int) -> None:
    world = world_of(f"ce9/{seed}", nodes=nodes, quality=Quality(delay=(0.02, 0.025)))
    first, second, *_ = ranked(world)
    world.checks.protect(first)
    world.split({second})
    world.run_for(0.6 + 0.06 * seed)
    world.split({second}, by=-1)
    for _ in range(20):
        world.run_for(0.1)
        assert strength(world, second) is not Strength.STRONG
    assert owner(world) == first
    sound(world)


@pytest.mark.parametrize("seed", range(6))
def test_ce_11_a_deaf_node_that_heals_between_its_probe_and_its_claim_takes_nothing(seed: int) -> None:
    world = world_of(f"ce11/{seed}", nodes=9)
    first, second, *_ = ranked(world)
    world.checks.protect(first)
    world.set_deaf(second, deaf=True)
    world.run_for(0.75 + 0.03 * seed)
    world.set_deaf(second, deaf=False)
    for _ in range(20):
        world.run_for(0.1)
        assert strength(world, second) is not Strength.STRONG
    assert owner(world) == first
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_ce_10_the_second_that_is_cut_off_from_the_first_does_not_claim_over_it(seed: int) -> None:
    world = world_of(f"ce10/{seed}", nodes=4)
    first, second, third, _ = ranked(world)
    world.cut(second, third)
    world.run_for(3)
    world.set_carrier(first, up=False)
    world.run_for(5)
    assert owner(world) == second
    assert strength(world, third) is None
    sound(world)


@pytest.mark.parametrize(("later", "bound"), [(0.0, 0.9), (0.3, 1.35), (0.7, 1.55)])
@pytest.mark.parametrize("seed", SEEDS)
def test_owner_and_second_die_together_or_one_after_the_other(seed: int, later: float, bound: float) -> None:
    world = world_of(f"both/{seed}/{later}")
    first, second, third = ranked(world)
    world.kill(first)
    world.run_for(later)
    world.kill(second)
    world.run_for(3)
    assert owner(world) == third
    assert world.checks.longest_gap <= bound
    sound(world)


@pytest.mark.parametrize("pause", [0.1, 0.3, 0.6, 2.0])
@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_before_suspicion_moves_nothing(seed: int, remembers: bool, pause: float) -> None:
    world = world_of(f"restart/{seed}", addresses=3)
    first = owner(world)
    world.kill(first)
    world.run_for(pause)
    world.start(first, remembers=remembers)
    world.run_for(4)
    if pause != 0.6:  # just when it is suspected: either is right
        assert (owner(world) == first) == (pause < 0.6)
    assert world.checks.longest_gap <= 1.0
    sound(world)


@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize("nodes", [3, 5])
def test_a_drain_is_seen_by_nobody(nodes: int, loss: float) -> None:
    world = world_of(f"drain/{loss}", nodes=nodes, addresses=20, quality=Quality(loss=loss))
    for name in world.names:
        world.decline(name, Unwilling.DRAIN)
        world.run_for(2)
        assert not world.nodes[name].answering
        world.decline(name)
        world.run_for(0.5)
    assert world.checks.longest_gap == 0
    assert world.checks.longest_double <= (0.05 if not loss else 0.3)
    sound(world)


@pytest.mark.parametrize("nodes", [3, 5])
def test_a_whole_roll_is_seen_by_nobody(nodes: int) -> None:
    world = world_of("roll", nodes=nodes, addresses=20)
    for name in world.names:
        world.leave(name)
        world.run_for(1.5)
        assert world.nodes[name].machine is None, "everything is given away, so nothing is waited for"
        world.start(name, remembers=True)
        world.run_for(2)
    assert world.checks.longest_gap == 0
    assert all(len(world.owners(address)) == 1 for address in world.addresses)
    sound(world)


def test_the_last_node_keeps_answering_though_it_should_give_and_says_so() -> None:
    world = world_of("last", nodes=2)
    first = owner(world)
    other = next(name for name in world.names if name != first)
    world.kill(other)
    world.decline(first, Unwilling.DRAIN)
    world.run_for(3)
    assert owner(world) == first
    assert [name for _, name, effect in world.reported if isinstance(effect, NoHeir)] == [first]


def test_a_candidate_list_without_the_owner_moves_the_address_without_a_gap() -> None:
    world = world_of("list", nodes=3)
    _, second, third = ranked(world)
    world.set_candidates(world.addresses[0], (third, second), within=1.0)
    world.run_for(4)
    assert owner(world) == third
    assert world.checks.longest_gap == 0
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_replayed_datagrams_change_no_owner(seed: int) -> None:
    world = world_of(f"replay/{seed}", addresses=5)
    world.recording = True
    first = owner(world)
    world.kill(first)
    world.run_for(2)
    world.start(first)
    world.run_for(2)
    world.freeze(second := owner(world))
    world.run_for(2)
    world.thaw(second)
    world.run_for(3)
    world.recording = False
    owners = {address: world.owners(address) for address in world.addresses}
    for _, message in world.rng.choices(world.recorded, k=400):
        world.lan.send(world.now, CLIENT, None, message)
        world.run_for(0.01)
    world.run_for(3)
    assert {address: world.owners(address) for address in world.addresses} == owners
    sound(world)


def test_an_old_memory_image_of_the_owner_finds_out_and_gives_way() -> None:
    world = world_of("image")
    first = owner(world)
    image = world.photograph(first)
    world.run_for(1)
    world.freeze(first)
    world.run_for(6)
    heir = owner(world)
    world.restore(first, image)
    world.run_for(0.4)
    assert owner(world) == heir
    world.run_for(3)
    assert owner(world) == heir
    sound(world)


def test_a_new_address_that_a_foreign_host_has_is_never_announced_until_it_is_gone() -> None:
    world = World("foreign", Setting(nodes=3, fresh=True))
    world.foreign = set(world.addresses)
    world.start_all()
    world.run(20)
    assert world.owners(world.addresses[0]) == []
    assert not world.checks.moves
    assert any(isinstance(effect, Quarantined) for _, _, effect in world.reported)
    world.foreign.clear()
    world.run(60)
    assert len(world.owners(world.addresses[0])) == 1
    assert any(isinstance(effect, Cleared) for _, _, effect in world.reported)


def test_a_foreign_host_that_answers_delays_no_failover_and_is_reported() -> None:
    world = world_of("failover")
    first, second, _ = ranked(world)
    world.foreign = set(world.addresses)
    world.decline(second, Unwilling.DRAIN)
    world.run_for(1)
    world.kill(first)
    world.run_for(3)
    assert world.checks.longest_gap <= TAKEOVER
    world.start(first)
    world.kill(owner(world))
    world.decline(second)
    world.run_for(3)
    assert len(world.owners(world.addresses[0])) == 1


def test_a_weak_owner_becomes_strong_and_is_not_beaten_by_an_island() -> None:
    world = world_of("upgrade")
    first, second, third = ranked(world)
    world.kill(first)
    world.kill(third)
    world.run_for(2)
    assert strength(world, second) is Strength.WEAK
    world.start(first)
    world.start(third)
    world.run_for(4)
    assert strength(world, second) is Strength.STRONG
    world.checks.protect(second)
    world.split({first})
    world.run_for(3)
    world.split({first}, by=-1)
    world.run_for(2)
    assert owner(world) == second
    sound(world)


def test_nothing_fails_back_unless_it_is_wanted() -> None:
    for failback in (False, True):
        world = world_of(f"failback/{failback}", failback=failback)
        first, second, _ = ranked(world)
        world.kill(first)
        world.run_for(2)
        world.start(first)
        world.checks.forget()
        world.run_for(8)
        assert owner(world) == (first if failback else second)
        assert world.checks.longest_gap == 0


def test_a_rebalance_moves_addresses_to_their_first_rank_without_a_gap() -> None:
    world = world_of("rebalance", addresses=50)
    first = owner(world)
    world.kill(first)
    world.run_for(2)
    world.start(first)
    world.run_for(3)
    world.checks.forget()
    for node in world.nodes.values():
        for entry in list(node.entries.values()):
            node.entries[entry.address] = Announce(entry.address, entry.candidates, rebalance=frozenset({"1"}))
            node.tell(node.entries[entry.address])
    world.run_for(5)
    for address in world.addresses:
        assert world.owners(address) == [world.nodes["n0"].entries[address].candidates[0]]
    assert world.checks.longest_gap == 0


def test_a_withdrawn_address_is_taken_by_nobody_whose_speaker_is_slow() -> None:
    world = world_of("withdrawn")
    world.withdraw(world.addresses[0], within=2.0)
    world.run_for(8)
    assert world.owners(world.addresses[0]) == []
    assert not world.checks.moves


def test_a_foreign_claim_is_reported_and_defended_at_most_every_ten_seconds() -> None:
    world = world_of("claimed")
    first = owner(world)
    for _ in range(30):
        world.claim_as_foreigner(world.addresses[0])
        world.run_for(0.5)
    conflicts = [name for _, name, effect in world.reported if isinstance(effect, Conflict)]
    assert conflicts == [first, first]
    assert owner(world) == first


@pytest.mark.parametrize(("nodes", "addresses"), [(3, 1000), (20, 200)])
def test_a_death_costs_datagrams_by_nodes_and_addresses_not_their_product(nodes: int, addresses: int) -> None:
    world = World("costs", Setting(nodes=nodes, addresses=addresses))
    victim = "n0"
    for node in world.nodes.values():
        for entry in list(node.entries.values()):
            rest = tuple(name for name in entry.candidates if name != victim)
            node.entries[entry.address] = Announce(entry.address, (victim, *rest))
    world.start_all()
    world.run(4)
    assert len(world.nodes[victim].answering) == addresses
    before = world.datagrams.total()
    world.kill(victim)
    world.run_for(2)
    idle = nodes * 2 / 0.4  # HELLOs while a neighbour is missing
    assert world.datagrams.total() - before <= 50 * nodes + 4 * (addresses / 54 + nodes) + idle
    assert world.checks.longest_gap <= 0.85
    assert all(len(world.owners(address)) == 1 for address in world.addresses)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_owner_whose_link_flaps_on_and_on_is_replaced_though_it_is_heard_in_between(seed: int) -> None:
    """Each return is a new boot; the grace for what it held runs from the first."""
    world = world_of(f"flapping/{seed}")
    first = owner(world)
    for _ in range(20):
        world.set_carrier(first, up=False)
        world.run_for(0.3)
        world.set_carrier(first, up=True)
        world.run_for(0.1)
    assert owner(world) != first
    assert world.checks.longest_gap <= 1.5


@pytest.mark.parametrize("seed", range(20))
def test_a_peer_that_dies_after_it_answered_a_thawed_node_is_looked_for_once_not_for_ever(seed: int) -> None:
    world = world_of(f"late/{seed}", settle=3 + seed / 17, nodes=2)
    world.freeze("n0")
    world.run_for(1)
    world.thaw("n0")
    world.run_for(0.01)
    world.kill("n1")
    world.run_for(2)  # raises Runaway when the machine wants to be woken again in the same moment
    assert owner(world) == "n0"
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_claim_kept_for_a_restarted_node_does_not_beat_the_one_that_took_over(seed: int) -> None:
    world = world_of(f"kept/{seed}", nodes=4, shortlist=2)
    first, second = ranked(world)
    world.split({second})
    world.at(3.6, world.kill, first)
    world.run(3.9)
    assert second in world.owners(world.addresses[0])  # on its island, without a majority
    world.split({second}, by=-1)
    world.run(4.0)
    world.start(first)  # before the others suspected it
    world.run(4.1)
    world.cut(first, second)
    world.run(8.0)
    assert owner(world) == second
    sound(world)


@pytest.mark.parametrize("seed", range(8))
def test_answers_lost_in_a_short_cut_take_no_address_from_a_living_owner(seed: int) -> None:
    world = world_of(f"hush/{seed}", nodes=5)
    first, second = ranked(world)[:2]
    world.recording = True
    world.cut(first, second, both=False)  # the second hears no more of the owner
    while not any(isinstance(message.body, Suspect) for _, message in world.recorded):
        world.run_for(0.0001)
    world.split({second})  # and of nobody, just when the others would say that they do
    world.run_for(0.15)
    world.split({second}, by=-1)
    world.run_for(1.0)
    assert owner(world) == first
    assert world.checks.longest_gap == 0
    assert not world.checks.moves
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_heir_refuses_what_another_owns(seed: int) -> None:
    world = world_of(f"heir/{seed}")
    first, second, third = ranked(world)
    world.set_deaf(second, deaf=True)
    world.run_for(1.2)
    assert world.addresses[0] in world.nodes[second].answering  # without a majority
    world.set_candidates(world.addresses[0], (third, first))  # so it has to give
    world.run_for(0.1)
    world.cut(first, second)
    world.set_deaf(second, deaf=False)  # it hears its heir, and not the owner
    world.run_for(0.5)
    world.cut(first, second, by=-1)
    world.run_for(3)
    assert owner(world) == first
    assert world.checks.longest_gap == 0
    assert third not in {to for *_, to in world.checks.moves}
    sound(world)

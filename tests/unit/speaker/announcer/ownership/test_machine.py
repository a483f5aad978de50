"""What one machine does by itself; how many agree is shown by the simulation."""

from collections.abc import Iterable
from itertools import count

import pytest

from lb_controller.model.address import parse_address
from speaker.announcer.agenda import NEVER, Agenda
from speaker.announcer.ownership.events import (
    Announce,
    Answered,
    Carrier,
    Effect,
    Event,
    Leave,
    Left,
    Members,
    Own,
    Probe,
    Received,
    Release,
    Send,
    Watch,
    Withdraw,
)
from speaker.announcer.ownership.machine import Identity, Machine, Memory
from speaker.announcer.ownership.messages import Claims, Flag, Header, Hello, Message, node_id
from speaker.announcer.ownership.timers import Timers

A, B = parse_address("192.0.2.1"), parse_address("192.0.2.2")
UP = Carrier(frozenset({"eth0", "eth1"}), meets=True)
DOWN = Carrier(frozenset(), meets=False)


class Alone:
    """A machine without peers, and its clock."""

    def __init__(self, *members: str, memory: Memory | None = None) -> None:
        self.now = 0.0
        boots = count(1)
        self.machine = Machine(Identity(node="n1"), Timers(), lambda: next(boots), 0.0, memory)
        self.effects: list[Effect] = []
        self.step(Members(frozenset({"n1", *members})))

    def step(self, *events: Event) -> list[Effect]:
        found = self.machine.step(events, self.now)
        self.effects += found
        return found

    def run(self, seconds: float) -> None:
        """Step whenever the machine wants it."""
        end = self.now + seconds
        while self.machine.deadline <= end:
            self.now = self.machine.deadline
            self.step()
        self.now = end


def of(kind: type, effects: Iterable[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_an_agenda_gives_each_key_once_at_its_last_time() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.plan("a", 1.0)
    agenda.plan("b", 2.0)
    agenda.plan("a", 3.0)
    assert agenda.deadline == 2.0
    assert agenda.due(2.5) == ["b"]
    agenda.plan("a", 2.6)
    assert agenda.due(5.0) == ["a"]
    assert (agenda.deadline, len(agenda)) == (NEVER, 0)


def test_a_node_without_peers_asks_the_wire_and_owns() -> None:
    alone = Alone()
    alone.step(UP, Announce(A, ("n1", "n2")))
    alone.run(0.1)
    assert of(Probe, alone.effects)
    assert not alone.machine.owned
    alone.run(0.3)
    assert alone.machine.owned == {A: UP.interfaces}
    assert of(Own, alone.effects) == [Own(A, UP.interfaces)]


def test_an_address_of_others_is_not_owned() -> None:
    alone = Alone()
    alone.step(UP, Announce(A, ("n2",)))
    alone.run(5)
    assert not alone.machine.owned


def test_a_member_whose_kernel_answers_for_everything_does_not_hold_an_address_back_for_ever() -> None:
    alone = Alone("n2")
    alone.step(UP, Announce(A, ("n1",)))
    end = alone.now + 12
    while alone.now < end and not alone.machine.owned:
        alone.now = alone.machine.deadline
        if of(Probe, alone.step()):
            alone.step(Answered(A, "n2"))
    assert 5 < alone.now < 10
    assert alone.machine.owned


def test_only_the_chosen_interfaces_are_answered_on_and_the_last_one_gone_ends_it() -> None:
    alone = Alone()
    alone.step(UP, Announce(A, ("n1",), frozenset({"eth1"})))
    alone.run(1)
    assert alone.machine.owned == {A: frozenset({"eth1"})}
    found = alone.step(Carrier(frozenset({"eth0"}), meets=True))
    assert of(Release, found) == [Release(A)]
    alone.step(UP)
    alone.run(1)
    assert alone.machine.owned == {A: frozenset({"eth1"})}


def test_a_withdrawn_address_is_released_in_the_same_step() -> None:
    alone = Alone()
    alone.step(UP, Announce(A, ("n1",)), Announce(B, ("n1",)))
    alone.run(1)
    assert of(Release, alone.step(Withdraw(A))) == [Release(A)]
    assert of(Release, alone.step(Announce(B, ()))) == [Release(B)]
    assert not alone.machine.owned


def test_without_carrier_nothing_is_owned_and_nothing_is_sent() -> None:
    alone = Alone("n2")
    alone.step(UP, Announce(A, ("n1",)))
    alone.run(2)
    found = alone.step(Carrier(frozenset(), meets=False))
    assert of(Release, found) == [Release(A)]
    alone.effects.clear()
    alone.run(5)
    assert not of(Send, alone.effects)


def test_the_release_comes_before_the_datagrams_and_the_claim_before_the_gratuitous_frames() -> None:
    alone = Alone("n2")
    alone.step(UP, Announce(A, ("n1",)))
    alone.run(3)
    kinds = [
        type(effect.message.body) if isinstance(effect, Send) else type(effect)
        for effect in alone.effects
        if isinstance(effect, Own) or (isinstance(effect, Send) and isinstance(effect.message.body, Claims))
    ]
    assert kinds[:2] == [Claims, Own]
    found = alone.step(Withdraw(A))
    assert isinstance(found[0], Release)
    assert isinstance(found[1], Send)


def test_a_gap_in_the_steps_silences_the_node_until_it_has_asked() -> None:
    alone = Alone("n2")
    alone.step(UP, Announce(A, ("n1",)))
    alone.run(3)
    assert not alone.machine.silent
    alone.now = alone.machine.woke + 0.31
    [hello] = of(Send, alone.step())
    assert isinstance(hello, Send)
    assert hello.message.header.flags & Flag.LATE
    assert alone.machine.silent
    alone.run(1.1)
    assert not alone.machine.silent
    assert alone.machine.owned


def test_a_gap_that_is_short_enough_changes_nothing() -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(3)
    alone.now = alone.machine.woke + 0.29
    alone.step()
    assert not alone.machine.silent


def test_what_was_held_before_a_restart_is_resumed_although_another_ranks_before() -> None:
    alone = Alone("n2", memory=Memory(frozenset({A}), 5))
    alone.step(UP, Announce(A, ("n2", "n1")))
    alone.run(1.3)
    assert alone.machine.owned
    assert alone.machine.claim("n1", A) is not None
    assert alone.machine.away == 1


def test_everybody_up_to_seven_is_watched_and_six_of_more() -> None:
    few = Alone(*(f"n{number}" for number in range(2, 8)))
    assert of(Watch, few.effects) == [Watch(frozenset(f"n{number}" for number in range(2, 8)))]
    many = Alone(*(f"n{number}" for number in range(2, 101)))
    [watch] = of(Watch, many.effects)
    assert isinstance(watch, Watch)
    assert len(watch.peers) == 6


def test_a_node_with_nothing_to_give_leaves_at_once_with_three_last_words() -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(2)
    alone.effects.clear()
    alone.step(Leave())
    alone.run(0.2)
    words = [effect.message for effect in alone.effects if isinstance(effect, Send)]
    assert sum(bool(word.header.flags & Flag.LEAVING) for word in words) == 3
    assert of(Left, alone.effects) == [Left()]


def test_a_node_that_hears_nobody_does_not_wait_for_heirs() -> None:
    alone = Alone("n2")
    alone.step(UP, Announce(A, ("n1", "n2")))
    alone.run(3)
    assert alone.machine.owned
    assert of(Release, alone.step(Leave())) == [Release(A)]
    alone.run(0.2)
    assert of(Left, alone.effects)


@pytest.mark.parametrize("sender", ["n1", "stranger"])
def test_a_datagram_of_nobody_that_it_should_hear_changes_nothing(sender: str) -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(2)
    header = Header(node_id(sender), boot=9, seq=1, lamport=1)
    assert not of(Send, alone.step(Received(Message(header, Hello(0, 0)))))


def test_a_datagram_of_an_unknown_process_is_answered_by_a_challenge_and_counts_for_nothing() -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(2)
    header = Header(node_id("n2"), boot=9, seq=7, lamport=1)
    sent = alone.step(Received(Message(header, Hello(3, 4))))
    [challenge] = [effect for effect in sent if isinstance(effect, Send) and effect.to == "n2"]
    assert (challenge.message.header.echo_boot, challenge.message.header.echo_seq) == (9, 7)
    assert alone.machine.known("n2") == (0, 0)


@pytest.mark.parametrize(("interval", "multiplier"), [(0.0, 3), (0.1, 1)])
def test_a_profile_that_cannot_work_is_refused(interval: float, multiplier: int) -> None:
    with pytest.raises(ValueError, match="BFD"):
        Timers.of(interval, multiplier)


def test_the_default_profile_has_the_default_times() -> None:
    default, made = Timers(), Timers.of(0.2, 3)
    for name in ("detection", "fresh", "late", "deaf"):
        assert getattr(made, name) == pytest.approx(getattr(default, name))


def test_who_leaves_without_carrier_waits_for_nobody() -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(2)
    alone.step(DOWN)
    assert of(Left, alone.step(Leave())) == [Left()]


def test_who_loses_carrier_while_it_leaves_waits_no_longer() -> None:
    alone = Alone("n2")
    alone.step(UP)
    alone.run(2)
    assert not of(Left, alone.step(Leave()))
    assert of(Left, alone.step(DOWN)) == [Left()]

"""The small parts of a session: timers, Poll Sequence, agenda, demultiplexer."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker.announcer.bfd.demultiplexer import Demultiplexer, Path
from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.poll import PollSequence
from speaker.announcer.bfd.timers import Parameters, desired_min_tx, detection_time, jittered

NEAR, FAR = ip_address("192.0.2.1"), ip_address("192.0.2.2")


@given(st.integers(1, 2**32 - 1), st.integers(2, 255), st.floats(0, 1))
def test_the_interval_is_shortened_by_up_to_a_quarter(interval: int, mult: int, chance: float) -> None:
    shortest = 0.75 * interval / 1e6
    assert shortest * (1 - 1e-12) <= jittered(interval, mult, lambda: chance) <= interval / 1e6


@given(st.integers(1, 2**32 - 1), st.floats(0, 1))
def test_with_multiplier_one_the_interval_is_never_whole(interval: int, chance: float) -> None:
    assert 0.7499 * interval / 1e6 <= jittered(interval, 1, lambda: chance) <= 0.9001 * interval / 1e6


def test_the_detection_time_is_the_peers_multiplier_times_the_slower_of_both() -> None:
    assert detection_time(3, 200_000, 100_000) == pytest.approx(0.6)
    assert detection_time(5, 200_000, 1_000_000) == pytest.approx(5.0)


def test_a_session_that_is_not_up_is_slow_and_never_quicker_than_asked() -> None:
    assert desired_min_tx(Parameters(desired_min_tx=200_000), up=False) == 1_000_000
    assert desired_min_tx(Parameters(desired_min_tx=200_000), up=True) == 200_000
    assert desired_min_tx(Parameters(desired_min_tx=5_000_000), up=False) == 5_000_000


@pytest.mark.parametrize(
    "wrong", [{"detect_mult": 0}, {"detect_mult": 256}, {"desired_min_tx": 0}, {"required_min_rx": 2**32}]
)
def test_parameters_that_no_packet_can_carry_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is not between"):
        Parameters(**wrong)  # type: ignore[arg-type]


# --- Poll Sequence


def test_a_poll_lasts_until_the_final() -> None:
    poll = PollSequence()
    poll.want()
    assert poll.active
    assert not poll.on_packet(final=False)
    assert poll.active
    assert poll.on_packet(final=True)
    assert not poll.active


def test_a_final_that_may_be_old_agrees_to_nothing_and_another_poll_follows() -> None:
    poll = PollSequence()
    poll.want()
    poll.want()
    assert not poll.on_packet(final=True), "it may answer the first words"
    assert not poll.active, "a packet without Final must come first"
    poll.on_packet(final=False)
    assert poll.active
    assert poll.on_packet(final=True)


def test_a_change_soon_after_a_final_waits_for_a_packet_without_final() -> None:
    poll = PollSequence()
    poll.want()
    poll.on_packet(final=True)
    poll.want()
    assert not poll.active
    assert not poll.on_packet(final=True), "the peer repeats itself"
    assert not poll.active
    poll.on_packet(final=False)
    assert poll.active


def test_a_final_that_nobody_asked_for_changes_nothing() -> None:
    poll = PollSequence()
    assert not poll.on_packet(final=True)
    poll.want()
    assert poll.active


# --- demultiplexer


def drop_of(demultiplexer: Demultiplexer[str], where: Path | int) -> Drop:
    with pytest.raises(MalformedPacket) as caught:
        _ = demultiplexer.by_path(where) if isinstance(where, Path) else demultiplexer.by_discriminator(where)
    return caught.value.reason


def test_first_packets_are_told_by_address_interface_and_hops() -> None:
    table: Demultiplexer[str] = Demultiplexer()
    table.add(1, Path(NEAR, "eth0"), "eth0")
    table.add(2, Path(NEAR, "eth1"), "eth1")
    table.add(3, Path(NEAR, multi_hop=True), "far")
    assert table.by_path(Path(NEAR, "eth0")) == "eth0"
    assert table.by_path(Path(NEAR, "eth1")) == "eth1"
    assert table.by_path(Path(NEAR, multi_hop=True)) == "far"
    assert drop_of(table, Path(NEAR, "eth2")) == drop_of(table, Path(FAR, "eth0")) == Drop.UNKNOWN_SESSION
    table.add(4, Path(NEAR), "any")
    assert table.by_path(Path(NEAR, "eth2")) == "any"
    assert table.by_path(Path(NEAR, "eth0")) == "eth0"


def test_a_removed_session_is_unknown_both_ways() -> None:
    table: Demultiplexer[str] = Demultiplexer()
    table.add(1, Path(NEAR), "one")
    table.add(2, Path(FAR), "two")
    table.remove(1)
    assert drop_of(table, 1) == drop_of(table, Path(NEAR)) == Drop.UNKNOWN_SESSION
    assert table.by_discriminator(2) == table.by_path(Path(FAR)) == "two"


def test_a_session_that_was_replaced_keeps_its_discriminator_only() -> None:
    table: Demultiplexer[str] = Demultiplexer()
    table.add(1, Path(NEAR), "old")
    table.add(2, Path(NEAR), "new")
    assert (table.by_discriminator(1), table.by_path(Path(NEAR))) == ("old", "new")
    table.remove(1)
    assert table.by_path(Path(NEAR)) == "new"


def test_discriminators_are_never_zero_and_never_given_twice() -> None:
    table: Demultiplexer[str] = Demultiplexer()
    table.add(7, Path(NEAR), "seven")
    numbers = iter((0, 7, 7, 9))
    assert table.fresh(lambda _: next(numbers)) == 9

"""Two BFD machines on a simulated wire: they come up, detect in time, and never flap without a reason."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.announcer.bfd.authentication import Authentication, AuthType, Key
from speaker.announcer.bfd.events import Configure
from speaker.announcer.bfd.malformed import Drop
from speaker.announcer.bfd.packet import Diagnostic, State
from speaker.announcer.bfd.timers import Parameters
from tests.property.bfd_wire import Wire

SOON = 4.0  # three packets at the slow rate of one second, and the way
seeds = st.integers(0, 2**32)
intervals = st.sampled_from((100_000, 150_000, 200_000, 300_000, 1_000_000, 2_000_000))
multipliers = st.sampled_from((2, 3, 5))
authentications = st.none() | st.sampled_from(AuthType).map(lambda kind: Authentication(kind, (Key(5, b"shared"),)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Parameters, Parameters]:
    """Two ends that agree on authentication; at most one is passive."""
    shared = draw(authentications)
    passive = draw(st.sampled_from(((False, False), (True, False), (False, True))))
    first, second = (
        Parameters(
            desired_min_tx=draw(intervals),
            required_min_rx=draw(intervals),
            detect_mult=draw(multipliers),
            passive=quiet,
            authentication=shared,
        )
        for quiet in passive
    )
    return first, second


@given(seeds, pairs(), st.floats(0, 0.05))
@settings(max_examples=60, deadline=None)
def test_both_come_up_and_stay_up_on_a_wire_that_loses_nothing(
    seed: int, pair: tuple[Parameters, Parameters], delay: float
) -> None:
    wire = Wire(seed, *pair, delay=delay)
    wire.run_until_up(SOON + max(end.desired_min_tx for end in pair) / 1e6 * 3)
    wire.run(20)
    for end in wire.ends:
        assert [change.state for _, change in end.changes if change.state is State.DOWN] == []
        assert not end.drops


@given(seeds, pairs(), st.lists(st.tuples(st.integers(0, 1), intervals, intervals, multipliers), max_size=8))
@settings(max_examples=60, deadline=None)
def test_changes_of_the_timers_never_flap(
    seed: int, pair: tuple[Parameters, Parameters], changes: list[tuple[int, int, int, int]]
) -> None:
    wire = Wire(seed, *pair, delay=0.02)
    wire.run_until_up(20)
    for index, transmit, receive, mult in changes:
        wire.run(wire.random.random() * 2)
        old = wire.ends[index].session.parameters
        new = replace(old, desired_min_tx=transmit, required_min_rx=receive, detect_mult=mult)
        wire.step(index, Configure(new))
    wire.run(10)
    for end, other in zip(wire.ends, reversed(wire.ends), strict=True):
        assert all(change.state is not State.DOWN for _, change in end.changes)
        assert not end.session.poll.active, "every change was agreed on"
        wanted, theirs = end.session.parameters, other.session.parameters
        assert end.session.transmit_interval == max(wanted.desired_min_tx, theirs.required_min_rx)
        agreed = max(wanted.required_min_rx, theirs.desired_min_tx)
        assert end.session.detection_time == theirs.detect_mult * agreed / 1e6


@given(seeds, pairs(), st.floats(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_process_that_took_the_place_of_another_is_believed_at_once_by_who_knows_of_it(
    seed: int, pair: tuple[Parameters, Parameters], pause: float
) -> None:
    wire = Wire(seed, *pair)
    wire.run_until_up(20)
    wire.run(pause)
    wire.restart(0)
    wire.ends[1].session.renumber()
    wire.run(20)
    assert Drop.BAD_SEQUENCE not in wire.ends[1].drops
    assert all(end.up for end in wire.ends)


@given(seeds, pairs(), st.floats(0, 0.3))
@settings(max_examples=60, deadline=None)
def test_only_a_silence_of_a_detection_time_ends_a_session_on_a_lossy_wire(
    seed: int, pair: tuple[Parameters, Parameters], loss: float
) -> None:
    wire = Wire(seed, *pair, loss=loss, delay=0.05)
    wire.run(30)
    assert all(end.sent for end in wire.ends)
    for end, other in zip(wire.ends, reversed(wire.ends), strict=True):
        for silence, detection in end.silences:
            assert silence >= detection - 1e-6
        down = [change for _, change in end.changes if change.state is State.DOWN]
        others = [change for _, change in other.changes if change.state is State.DOWN]
        expired = [change for change in down if change.diagnostic is Diagnostic.DETECTION_TIME_EXPIRED]
        # Whoever was told Down was told so by one that had a reason.
        assert len(down) - len(expired) <= len(others)
    wire.loss = 0
    wire.run_until_up(60)


@given(seeds, pairs(), st.floats(0, 0.05))
@settings(max_examples=60, deadline=None)
def test_a_cut_is_noticed_by_both_within_the_detection_time(
    seed: int, pair: tuple[Parameters, Parameters], delay: float
) -> None:
    wire = Wire(seed, *pair, delay=delay)
    wire.run_until_up(20)
    wire.run(wire.random.random() + 3)
    cut = wire.now
    wire.cut = True
    limits = [end.session.detection_time for end in wire.ends]
    wire.run(max(limits) + delay + 0.001)
    for end, limit in zip(wire.ends, limits, strict=True):
        at, change = end.changes[-1]
        assert (change.state, change.diagnostic) == (State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED)
        interval = limit / end.session.remote_detect_mult
        assert limit - interval - 1e-6 <= at - cut <= limit + delay + 1e-6


@given(seeds, pairs())
@settings(max_examples=60, deadline=None)
def test_an_end_that_begins_anew_comes_up_again(seed: int, pair: tuple[Parameters, Parameters]) -> None:
    wire = Wire(seed, *pair, delay=0.01)
    wire.run_until_up(20)
    wire.run(5)
    wire.restart(0)
    # With authentication, two Detection Times must pass before a number of another beginning is accepted.
    longest = max(end.session.detection_time for end in wire.ends)
    wire.run_until_up(2 * longest + 15)
    wire.run(5)
    assert all(end.up for end in wire.ends)


@given(seeds, pairs())
@settings(max_examples=30, deadline=None)
def test_no_end_sends_more_than_the_agreed_rate_allows(seed: int, pair: tuple[Parameters, Parameters]) -> None:
    wire = Wire(seed, *pair, delay=0.01)
    wire.run_until_up(20)
    wire.run(5)
    before = [end.sent for end in wire.ends]
    wire.run(20)
    for end, sent in zip(wire.ends, before, strict=True):
        interval = end.session.transmit_interval / 1e6
        assert 20 / interval - 2 <= end.sent - sent <= 20 / (0.75 * interval) + 2

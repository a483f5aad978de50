"""When gratuitous frames go out: the burst after a takeover, the refresh, the bounds."""

import pytest

from speaker.announcer.layer2.schedule import AT_ONCE, BURST_INTERVAL, BURST_TIMES, Schedule


def sent(schedule: Schedule[str], until: float, begin: float = 0.0) -> list[tuple[float, str]]:
    """What is due when, asked each time that the schedule wants to be."""
    found: list[tuple[float, str]] = []
    now = begin
    while (deadline := schedule.deadline) is not None and max(now, deadline) <= until:
        now = max(now, deadline)
        found += [(round(now, 3), key) for key in schedule.due(now)]
    return found


def test_an_address_that_was_taken_over_is_told_at_once_then_for_five_seconds_then_now_and_then() -> None:
    schedule: Schedule[str] = Schedule(refresh=60.0, rate=1000.0)
    schedule.start("a", 0.0)
    times = [at for at, _ in sent(schedule, 130.0)]
    burst = [round(number * BURST_INTERVAL, 3) for number in range(BURST_TIMES)]
    assert times == [*burst, burst[-1] + 60.0, burst[-1] + 120.0]


def test_without_a_refresh_it_ends_after_the_burst() -> None:
    schedule: Schedule[str] = Schedule(refresh=0.0, rate=1000.0)
    schedule.start("a", 0.0)
    assert len(sent(schedule, 1000.0)) == BURST_TIMES
    assert schedule.deadline is None


def test_an_address_that_is_given_up_is_told_no_more() -> None:
    schedule: Schedule[str] = Schedule(refresh=60.0, rate=1000.0)
    schedule.start("a", 0.0)
    schedule.start("b", 0.0)
    assert set(schedule.due(0.0)) == {"a", "b"}
    schedule.stop("a")
    assert {key for _, key in sent(schedule, 100.0)} == {"b"}


def test_the_address_requested_last_goes_first() -> None:
    schedule: Schedule[str] = Schedule(refresh=0.0, rate=1000.0)
    for key in ("a", "b", "c"):
        schedule.start(key, 0.0)
    assert schedule.due(0.0) == ["c", "b", "a"]


@pytest.mark.parametrize("rate", [50.0, 1000.0])
def test_the_rate_is_kept_and_nothing_is_left_out(rate: float) -> None:
    schedule: Schedule[str] = Schedule(refresh=0.0, rate=rate)
    keys = {f"k{number}" for number in range(300)}
    for key in keys:
        schedule.start(key, 0.0)
    found = sent(schedule, 300.0)
    assert len(found) == len(keys) * BURST_TIMES
    for begin in (0.0, 1.0, 2.5, 7.0):
        within = [key for at, key in found if begin <= at < begin + 1.0]
        assert len(within) <= 2 * rate, "what was saved up, and what came in that second"


def test_many_are_told_in_parts_so_that_questions_are_answered_in_between() -> None:
    schedule: Schedule[str] = Schedule(refresh=60.0, rate=1000.0)
    for number in range(250):
        schedule.start(f"k{number}", 0.0)
    parts = []
    while schedule.deadline == 0.0:
        parts.append(len(schedule.due(0.0)))
    assert parts == [AT_ONCE, AT_ONCE, 50]

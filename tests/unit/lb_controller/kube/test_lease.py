"""The Lease's decision: who may take it and when, by the own clock only."""

import pytest

from lb_controller.kube.lease import LeaseView, Sight, Step, Timing, decide

FREE = LeaseView(version="7", holder="", duration=12)
MINE = LeaseView(version="7", holder="me", duration=12)
THEIRS = LeaseView(version="7", holder="other", duration=12)
NONE = LeaseView()

CASES = [
    ("no Lease yet is taken", NONE, 0.0, Step.TAKE),
    ("a released Lease is taken at once", FREE, 0.0, Step.TAKE),
    ("my own is renewed", MINE, 0.0, Step.RENEW),
    ("my own is renewed however old it is", MINE, 1e6, Step.RENEW),
    ("a fresh one of another is waited for", THEIRS, 0.0, Step.WAIT),
    ("one of another just before its end is waited for", THEIRS, 11.99, Step.WAIT),
    ("one of another seen unchanged for its duration is taken", THEIRS, 12.0, Step.TAKE),
]


@pytest.mark.parametrize(("view", "age", "step"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_decision_rests_on_holder_and_time_unchanged(view: LeaseView, age: float, step: Step) -> None:
    assert decide(Sight(view, since=100.0), "me", now=100.0 + age) is step


def test_a_renewal_by_another_starts_the_wait_anew() -> None:
    sight = Sight(THEIRS, since=0.0)
    sight = sight.look(LeaseView(version="8", holder="other", duration=12), now=11.0)
    assert decide(sight, "me", now=20.0) is Step.WAIT
    assert decide(sight, "me", now=23.0) is Step.TAKE


def test_looking_again_at_the_same_version_does_not() -> None:
    sight = Sight(THEIRS, since=0.0)
    for now in (3.0, 6.0, 9.0):
        sight = sight.look(THEIRS, now)
    assert decide(sight, "me", now=12.0) is Step.TAKE


@pytest.mark.parametrize("duration", [6.0, 12.0, 60.0])
def test_the_holder_stops_before_the_first_moment_another_may_begin(duration: float) -> None:
    timing = Timing(duration=duration, margin=duration / 4)
    renewed_at = 50.0  # from before the request: the other cannot have seen the renewal earlier
    seen_by_other = Sight(LeaseView("9", "me", duration), since=renewed_at)
    last_write = timing.acts_until(renewed_at)
    assert decide(seen_by_other, "other", now=last_write) is Step.WAIT
    assert renewed_at + duration - last_write == timing.margin

"""The Lease's decision: who may take it and when, by the own clock only."""

from typing import cast

import pytest

from lb_controller.kube.client import Api
from lb_controller.kube.lease import Candidacy, Leadership, LeaseView, Sight, Step, Timing, decide

FREE = LeaseView(version="7", holder="", duration=1)
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


def test_a_write_keeps_what_others_noted_on_the_lease_and_renews_our_own_notes() -> None:
    notes = {"heraldlb.io/shadow-of": "m/c"}
    leadership = Leadership(cast(Api, None), Candidacy("ns", "lease", "me"), lambda _: None, lambda: notes)
    view = LeaseView("7", "me", 12.0, 1, {"a": "b"}, {"helm.sh/x": "y", "heraldlb.io/old": "gone"})
    metadata = leadership._body(view)["metadata"]
    assert metadata["labels"] == {"a": "b"}
    assert metadata["annotations"] == {"helm.sh/x": "y", "heraldlb.io/shadow-of": "m/c"}


BY_HAND = [
    (NONE, "deleted"),
    (LeaseView(version="8", holder="", duration=12), "emptied"),
    (LeaseView(version="8", holder="me", duration=12), "given to me"),
    (LeaseView(version="8", holder="third", duration=12), "given to a third"),
]


@pytest.mark.parametrize("view", [view for view, _ in BY_HAND], ids=[word for _, word in BY_HAND])
def test_a_lease_changed_by_hand_makes_nobody_lead_before_its_holder_has_stopped(view: LeaseView) -> None:
    sight = Sight(THEIRS, since=0.0).look(view, 5.0, me="me")
    for now in (5.0, 10.0, 16.9):
        sight = sight.look(view, now, me="me")
        assert decide(sight, "me", now) is Step.WAIT
    assert decide(sight, "me", 17.0) is Step.TAKE


def test_our_own_write_whose_answer_was_lost_is_ours() -> None:
    sight = Sight(THEIRS, since=0.0).look(LeaseView(version="8", holder="me", duration=12), 13.0)
    assert decide(sight, "me", now=13.0) is Step.RENEW


def test_a_process_that_starts_anew_under_its_name_goes_on_at_once() -> None:
    assert decide(Sight(MINE, since=0.0), "me", now=0.0) is Step.RENEW

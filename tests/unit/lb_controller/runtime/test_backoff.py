"""Waits that grow, with jitter, up to a limit."""

import pytest

from lb_controller.runtime.backoff import Backoff


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]), (1.0, [0.5, 1, 2, 4, 8, 10])])
def test_waits_double_between_half_and_whole_up_to_the_limit(chance: float, waits: list[float]) -> None:
    backoff = Backoff(lambda: chance, first=0.5, most=10.0)
    assert [backoff.next() for _ in waits] == waits


def test_a_success_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0, first=0.5, most=10.0)
    backoff.next(), backoff.next()
    backoff.reset()
    assert (backoff.failures, backoff.next()) == (0, 0.5)


def test_ten_thousand_failures_overflow_nothing() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next() for _ in range(10_000)][-1] == 30.0

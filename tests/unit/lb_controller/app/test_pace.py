"""A burst is free, then a trickle."""

import pytest

from lb_controller.app.pace import Pace


def test_after_the_burst_each_write_waits_its_time_and_other_objects_do_not() -> None:
    pace = Pace[str](burst=3, seconds=5.0)
    for _ in range(3):
        assert pace.wait("a", 0.0) == 0.0
        pace.spend("a", 0.0)
    assert pace.wait("a", 0.0) == 5.0
    assert pace.wait("a", 4.0) == pytest.approx(1.0)
    assert pace.wait("a", 5.0) == 0.0
    assert pace.wait("b", 0.0) == 0.0


def test_an_object_changed_back_for_ever_costs_one_write_each_interval() -> None:
    pace, now, writes = Pace[str](burst=10, seconds=3.0), 0.0, 0
    while now < 300.0:
        if pace.wait("a", now) == 0.0:
            pace.spend("a", now)
            writes += 1
        now += 0.01
    assert 100 <= writes <= 112


def test_idle_objects_are_forgotten() -> None:
    pace = Pace[str](burst=2, seconds=1.0)
    pace.spend("a", 0.0)
    pace.forget_idle(100.0)
    assert pace._spent == {}

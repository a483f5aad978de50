"""Routes that leave: demoted first, withdrawn when the time is up, never announced for the occasion."""

from speaker.bgp.commands import Attributes
from speaker.bgp.farewell import Farewell

PLAIN = Attributes("192.0.2.11")
LAST = PLAIN.demoted()
LEAVING = {"tor": {"10.0.0.1/32"}}


def test_a_route_that_leaves_stays_demoted_for_the_time_of_the_drain_and_is_gone_then() -> None:
    farewell = Farewell(5.0)
    wanted = {"tor": {"10.0.0.1/32": LAST, "10.0.0.2/32": PLAIN}}
    given = {"tor": {"10.0.0.1/32": PLAIN, "10.0.0.2/32": PLAIN}}
    assert farewell.step(wanted, LEAVING, given, 100.0) == wanted
    assert farewell.deadline(100.0) == 105.0
    assert farewell.step(wanted, LEAVING, {"tor": wanted["tor"]}, 104.9) == wanted
    assert farewell.step(wanted, LEAVING, {"tor": wanted["tor"]}, 105.0) == {"tor": {"10.0.0.2/32": PLAIN}}
    assert farewell.deadline(105.0) is None
    assert farewell.step(wanted, LEAVING, {"tor": {"10.0.0.2/32": PLAIN}}, 200.0) == {"tor": {"10.0.0.2/32": PLAIN}}


def test_a_route_that_was_never_announced_is_not_announced_to_leave() -> None:
    farewell = Farewell(5.0)
    assert farewell.step({"tor": {"10.0.0.1/32": LAST}}, LEAVING, {}, 0.0) == {"tor": {}}
    assert farewell.deadline(0.0) is None


def test_a_route_that_stays_after_all_begins_anew_when_it_leaves_again() -> None:
    farewell = Farewell(5.0)
    given = {"tor": {"10.0.0.1/32": PLAIN}}
    farewell.step({"tor": {"10.0.0.1/32": LAST}}, LEAVING, given, 0.0)
    assert farewell.step({"tor": {"10.0.0.1/32": PLAIN}}, {}, given, 3.0) == {"tor": {"10.0.0.1/32": PLAIN}}
    assert farewell.deadline(3.0) is None
    farewell.step({"tor": {"10.0.0.1/32": LAST}}, LEAVING, given, 10.0)
    assert farewell.deadline(10.0) == 15.0


def test_peers_are_told_apart() -> None:
    farewell = Farewell(5.0)
    wanted = {"tor": {"10.0.0.1/32": LAST}, "spine": {"10.0.0.1/32": PLAIN}}
    found = farewell.step(wanted, LEAVING, {"spine": {"10.0.0.1/32": PLAIN}}, 0.0)
    assert found == {"tor": {}, "spine": {"10.0.0.1/32": PLAIN}}

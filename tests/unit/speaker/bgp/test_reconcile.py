from collections.abc import Mapping

import pytest

from lb_controller.model.address import Family
from speaker.bgp.commands import Attributes
from speaker.bgp.effects import Configure, Effect, Restart, Send
from speaker.bgp.events import Answer, Counted, Reloaded, SessionChanged, SessionEvent, Unknown
from speaker.bgp.reconcile import ANSWER_TIME, WINDOW, Reconciler
from speaker.bgp.sessions import Session
from tests.unit.speaker.bgp.samples import V4, V6, session

HOP = Attributes("192.0.2.11")
TOR, SPINE = session(), session("spine", "192.0.2.2")


def prefixes(*numbers: int, attributes: Attributes = HOP) -> dict[str, Attributes]:
    return {f"203.0.113.{number}/32": attributes for number in numbers}


def running(*sessions: Session, routes: Mapping[str, Mapping[str, Attributes]] | None = None) -> Reconciler:
    """A machine whose daemon runs with these sessions and was told these routes."""
    machine = Reconciler()
    machine.want(sessions, routes or {}, {}, 0)
    sent = lines(machine.started(sessions, 0))
    while sent:
        sent = [line for _ in sent for line in lines(machine.heard(Answer(True), 0))]
    assert machine.settled
    return machine


def lines(effects: list[Effect]) -> list[str]:
    return [effect.line for effect in effects if isinstance(effect, Send)]


def short(effects: list[Effect]) -> list[str]:
    """Commands without the session's name: `announce 203.0.113.1/32 ...`."""
    words = [line.split() for line in lines(effects)]
    return [f"{line[line.index('attributes') - 1]} {' '.join(line[line.index('nlri') + 1 :])}" for line in words]


def test_nothing_is_sent_before_a_daemon_runs() -> None:
    assert Reconciler().want((TOR,), {"tor": prefixes(1)}, {}, 0) == []


def test_a_new_daemon_is_told_everything() -> None:
    machine = Reconciler()
    machine.want((TOR,), {"tor": prefixes(1, 2)}, {}, 0)
    assert short(machine.started((TOR,), 0)) == ["announce 203.0.113.1/32 203.0.113.2/32"]


def test_only_the_difference_is_sent_and_withdrawals_go_first() -> None:
    machine = running(TOR, routes={"tor": prefixes(1, 2)})
    effects = machine.want((TOR,), {"tor": prefixes(2, 3)}, {}, 0)
    assert short(effects) == ["withdraw 203.0.113.1/32", "announce 203.0.113.3/32"]


def test_changed_attributes_are_announced_without_a_withdrawal() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    effects = machine.want((TOR,), {"tor": prefixes(1, attributes=Attributes("192.0.2.11", med=1))}, {}, 0)
    assert short(effects) == ["announce 203.0.113.1/32"]


def test_only_a_few_commands_are_unanswered_at_a_time() -> None:
    machine = running(TOR)
    wanted = {f"10.{number >> 8}.{number & 255}.1/32": HOP for number in range(500 * (WINDOW + 2))}
    assert len(lines(machine.want((TOR,), {"tor": wanted}, {}, 0))) == WINDOW
    assert len(lines(machine.heard(Answer(True), 0))) == 1


def test_a_changed_set_of_sessions_is_one_reload_and_its_routes_follow_the_daemon_s_word() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    effects = machine.want((SPINE, TOR), {"tor": prefixes(1, 2), "spine": prefixes(9)}, {}, 0)
    assert effects[0] == Configure((SPINE, TOR))
    assert short(effects) == ["announce 203.0.113.2/32"]
    machine.heard(Answer(True), 0)
    assert short(machine.heard(Reloaded(True), 0)) == ["announce 203.0.113.9/32"]


def test_a_second_change_waits_for_the_first_reload() -> None:
    machine = running(TOR)
    machine.want((SPINE, TOR), {}, {}, 0)
    assert machine.want((SPINE,), {}, {}, 0) == []
    assert machine.heard(Reloaded(True), 0) == [Configure((SPINE,))]


def test_a_session_that_the_reload_changes_gets_no_commands_until_it_is_done() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    dual = session(next_hops={Family.IPV4: V4, Family.IPV6: V6})
    wanted = {"tor": {**prefixes(1), "2001:db8:1::1/128": Attributes(str(V6))}}
    assert machine.want((dual,), wanted, {}, 0) == [Configure((dual,))]
    assert short(machine.heard(Reloaded(True), 0)) == ["announce 2001:db8:1::1/128"]


def test_a_session_under_another_selector_is_told_everything() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    moved = session(local_asn=65010)
    machine.want((moved,), {"tor": prefixes(1)}, {}, 0)
    [line] = lines(machine.heard(Reloaded(True), 0))
    assert "local-as 65010" in line


def test_a_session_that_moves_to_another_interface_is_closed_once() -> None:
    machine = running(TOR)
    machine.want((session(interface="eth1"),), {}, {}, 0)
    [line] = lines(machine.heard(Reloaded(True), 0))
    assert line.endswith("teardown 6")


def test_a_refused_configuration_needs_a_new_daemon() -> None:
    machine = running(TOR)
    machine.want((SPINE,), {}, {}, 0)
    assert isinstance(machine.heard(Reloaded(False), 0)[0], Restart)


def test_a_refused_line_is_halved_until_the_prefix_at_fault_stands_alone() -> None:
    machine = running(TOR)
    effects = machine.want((TOR,), {"tor": prefixes(*range(1, 9))}, {}, 0)
    sent = short(effects)
    taken: set[str] = set()
    while sent:
        parts = sent.pop(0).split()[1:]
        bad = "203.0.113.5/32" in parts
        taken |= set() if bad else set(parts)
        sent += short(machine.heard(Answer(not bad), 0))
    assert taken == {f"203.0.113.{number}/32" for number in (1, 2, 3, 4, 6, 7, 8)}
    [state] = machine.state().sessions
    assert state.routes == 7
    assert "203.0.113.5/32" in state.last_error
    assert machine.want((TOR,), {"tor": prefixes(*range(1, 9))}, {}, 0) == [], "it was tried again"


def test_a_refused_prefix_is_tried_again_with_other_attributes() -> None:
    machine = running(TOR)
    machine.want((TOR,), {"tor": prefixes(1)}, {}, 0)
    machine.heard(Answer(False), 0)
    other = prefixes(1, attributes=Attributes("192.0.2.11", med=1))
    assert short(machine.want((TOR,), {"tor": other}, {}, 0)) == ["announce 203.0.113.1/32"]


def test_what_was_refused_and_is_wanted_no_more_is_not_announced() -> None:
    machine = running(TOR)
    machine.want((TOR,), {"tor": prefixes(1, 2)}, {}, 0)
    machine.want((TOR,), {"tor": prefixes(2)}, {}, 0)
    sent = short(machine.heard(Answer(False), 0))
    assert not any("announce" in line and "203.0.113.1/32" in line for line in sent)


def test_while_the_speaker_is_away_a_new_daemon_gets_the_last_desired_state() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    machine.lost("it was killed")
    assert short(machine.started((TOR,), 0)) == ["announce 203.0.113.1/32"]


def test_a_lost_daemon_is_said_of_every_session() -> None:
    machine = running(TOR, SPINE)
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    machine.lost("the daemon ended")
    assert [(s.peer, s.up, s.last_error) for s in machine.state().sessions] == [
        ("spine", False, "the daemon ended"),
        ("tor", False, "the daemon ended"),
    ]


def test_the_state_shows_every_session_and_every_peer_that_was_left_out() -> None:
    machine = running(TOR, routes={"tor": prefixes(1, 2)})
    machine.want((TOR,), {"tor": prefixes(1, 2)}, {"bad": "the ASN is missing"}, 0)
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    bad, tor = machine.state().sessions
    assert (bad.peer, bad.up, bad.last_error) == ("bad", False, "the ASN is missing")
    assert (tor.peer, tor.up, tor.routes, tor.last_error) == ("tor", True, 2, "")


def test_a_notification_is_remembered_over_later_failures_and_the_last_error_even_when_the_session_is_up() -> None:
    machine = running(TOR)
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.DOWN, "notification received (6,2): Cease"), 0)
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.DOWN, "TCP connection: refused"), 0)
    assert machine.state().sessions[0].last_error == (
        "peer 192.0.2.1: TCP connection: refused (before: peer 192.0.2.1 closed the session: Cease)"
    )
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    assert "Cease" in machine.state().sessions[0].last_error
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.DOWN, "TCP connection: refused"), 0)
    assert "before" not in machine.state().sessions[0].last_error


def test_a_flap_needs_no_commands() -> None:
    machine = running(TOR, routes={"tor": prefixes(1)})
    for event in (SessionEvent.UP, SessionEvent.DOWN, SessionEvent.CONNECTED, SessionEvent.UP):
        assert machine.heard(SessionChanged("192.0.2.1", event), 0) == []


def test_end_of_rib_comes_after_the_routes_and_again_with_each_new_session() -> None:
    graceful = session(graceful_restart=True)
    machine = Reconciler()
    machine.want((graceful,), {"tor": prefixes(1)}, {}, 0)
    assert len(lines(machine.started((graceful,), 0))) == 1
    effects = machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    assert [line.partition("announce ")[2] for line in lines(effects)] == ["eor ipv4 unicast"]
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.DOWN), 0)
    assert len(lines(machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0))) == 1


def test_a_session_without_graceful_restart_gets_no_end_of_rib_of_ours() -> None:
    machine = running(TOR)
    assert machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0) == []


def test_a_daemon_that_does_not_answer_is_replaced() -> None:
    machine = running(TOR)
    machine.want((TOR,), {"tor": prefixes(1)}, {}, 100)
    assert machine.deadline == 100 + ANSWER_TIME
    assert machine.tick(100 + ANSWER_TIME - 1) == []
    assert isinstance(machine.tick(100 + ANSWER_TIME)[0], Restart)


def test_an_answer_in_time_ends_the_wait() -> None:
    machine = running(TOR)
    machine.want((TOR,), {"tor": prefixes(1)}, {}, 100)
    machine.heard(Answer(True), 101)
    assert machine.deadline is None


@pytest.mark.parametrize("graceful", [False, True])
def test_a_planned_stop_demotes_then_withdraws_everything_and_says_goodbye(graceful: bool) -> None:
    machine = running(session(graceful_restart=graceful), routes={"tor": prefixes(1, 2)})
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    machine.heard(Answer(True), 0)
    [line] = lines(machine.demote_all(0, for_good=True))
    assert "community [ 65535:0 ] nlri 203.0.113.1/32 203.0.113.2/32" in line
    machine.heard(Answer(True), 0)
    assert machine.established == 1
    assert short(machine.withdraw_all(0)) == ["withdraw 203.0.113.1/32 203.0.113.2/32"]
    machine.heard(Answer(True), 0)
    [line] = lines(machine.close_all(0))
    assert line.endswith("teardown 2")


def test_a_planned_stop_leaves_the_routes_with_peers_that_shall_keep_them() -> None:
    graceful = session(graceful_restart=True)
    machine = running(graceful, routes={"tor": prefixes(1)})
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    machine.heard(Answer(True), 0)
    assert machine.demote_all(0, for_good=False) == []
    assert machine.established == 0
    assert machine.withdraw_all(0) == []
    assert machine.close_all(0) == []


def test_events_of_unknown_sessions_and_unknown_lines_change_nothing() -> None:
    machine = running(TOR)
    assert machine.heard(SessionChanged("198.51.100.1", SessionEvent.UP), 0) == []
    assert machine.heard(Unknown("text"), 0) == []
    assert machine.heard(Answer(True), 0) == []


def test_a_path_that_bfd_lost_ends_the_session_that_is_up_and_no_other() -> None:
    machine = running(TOR, SPINE)
    assert machine.path_lost("tor", 0) == []
    machine.heard(SessionChanged("192.0.2.1", SessionEvent.UP), 0)
    [line] = lines(machine.path_lost("tor", 0))
    assert line.startswith("neighbor 192.0.2.1 ")
    assert line.endswith("teardown 10")
    machine.heard(Answer(True), 0)
    assert machine.path_lost("nobody", 0) == []


def test_the_daemon_is_asked_for_its_counts_only_when_it_has_nothing_else_to_answer() -> None:
    machine = running(TOR)
    assert machine.count(0) == [Send("session-counts")]
    assert machine.count(0) == []
    machine.heard(Counted({"192.0.2.1": {"send-update": 3}}), 0)
    machine.heard(Answer(True), 0)
    assert machine.settled
    assert machine.counted == {"192.0.2.1": {"send-update": 3}}
    machine.want((TOR,), {"tor": prefixes(1)}, {}, 0)
    assert machine.count(0) == []
    assert Reconciler().count(0) == []

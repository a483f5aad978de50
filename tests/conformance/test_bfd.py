"""RFC 5880 section by section: what a session does with the packets of a peer that we write by hand."""

from itertools import pairwise

import pytest

from speaker.announcer.bfd.authentication import Authentication, AuthType, Key
from speaker.announcer.bfd.events import Changed, Disable, Enable, Heard, Resume
from speaker.announcer.bfd.malformed import Drop
from speaker.announcer.bfd.packet import Control, Diagnostic, State
from tests.conformance.bfd_talk import OURS, THEIRS, Talk

SHA1 = Authentication(AuthType.METICULOUS_KEYED_SHA1, (Key(1, b"secret"),))


def gaps(sent: list[tuple[float, Control]]) -> list[float]:
    return [later - earlier for (earlier, _), (later, _) in pairwise(sent)]


# --- 6.1 Overview: roles


def test_6_1_an_active_system_speaks_first() -> None:
    talk = Talk()
    assert talk.session.deadline is not None
    [first] = [control for _, control in talk.begin().sent]
    assert (first.state, first.my_discriminator, first.your_discriminator) == (State.DOWN, OURS, 0)


def test_6_1_a_passive_system_waits_until_it_was_spoken_to() -> None:
    talk = Talk(passive=True).begin()
    assert talk.advance(60) == []
    [answer] = talk.receive(State.DOWN, your_discriminator=0)
    assert (answer.state, answer.your_discriminator) == (State.INIT, THEIRS)


def test_6_8_7_a_passive_system_falls_silent_again_when_the_peer_is_gone() -> None:
    talk = Talk(passive=True).bring_up()
    talk.advance(0.6)
    assert talk.state is State.DOWN
    assert talk.advance(60) == []


# --- 6.2 State machine


@pytest.mark.parametrize(
    ("ours", "theirs", "next_state"),
    [
        (State.DOWN, State.ADMIN_DOWN, State.DOWN),
        (State.DOWN, State.DOWN, State.INIT),
        (State.DOWN, State.INIT, State.UP),
        (State.DOWN, State.UP, State.DOWN),
        (State.INIT, State.ADMIN_DOWN, State.DOWN),
        (State.INIT, State.DOWN, State.INIT),
        (State.INIT, State.INIT, State.UP),
        (State.INIT, State.UP, State.UP),
        (State.UP, State.ADMIN_DOWN, State.DOWN),
        (State.UP, State.DOWN, State.DOWN),
        (State.UP, State.INIT, State.UP),
        (State.UP, State.UP, State.UP),
        (State.ADMIN_DOWN, State.ADMIN_DOWN, State.ADMIN_DOWN),
        (State.ADMIN_DOWN, State.DOWN, State.ADMIN_DOWN),
        (State.ADMIN_DOWN, State.INIT, State.ADMIN_DOWN),
        (State.ADMIN_DOWN, State.UP, State.ADMIN_DOWN),
    ],
)
def test_6_2_every_packet_in_every_state(ours: State, theirs: State, next_state: State) -> None:
    talk = Talk().begin()
    match ours:
        case State.INIT:
            talk.receive(State.DOWN)
        case State.UP:
            talk.bring_up()
        case State.ADMIN_DOWN:
            talk.step(Disable())
        case State.DOWN:
            pass
    assert talk.state is ours
    talk.receive(theirs)
    assert talk.state is next_state


def test_6_2_a_change_is_told_with_its_reason() -> None:
    talk = Talk().bring_up()
    talk.receive(State.DOWN)
    assert talk.changes == [
        Changed(State.INIT, Diagnostic.NONE, State.DOWN),
        Changed(State.UP, Diagnostic.NONE, State.INIT),
        Changed(State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_DOWN, State.DOWN),
    ]


# --- 6.5 Poll Sequence


def test_6_5_the_new_interval_is_polled_when_the_session_comes_up_until_the_final() -> None:
    talk = Talk().begin()
    talk.receive(State.DOWN, your_discriminator=0)
    [up] = talk.receive(State.INIT)
    assert (up.poll, up.final, up.desired_min_tx) == (True, False, 200_000)
    talk.receive(State.UP)
    assert all(control.poll for _, control in talk.advance(0.5))
    talk.receive(State.UP, final=True)
    assert not any(control.poll for _, control in talk.advance(0.5))


def test_6_5_a_poll_is_answered_at_once_with_final_and_never_with_both() -> None:
    talk = Talk().begin()
    talk.receive(State.DOWN, your_discriminator=0)
    [answer] = talk.receive(State.INIT, poll=True)
    assert (answer.final, answer.poll, answer.state) == (True, False, State.UP)
    assert talk.session.poll.active
    talk.now += 0.01
    [answer] = talk.receive(State.UP, poll=True)
    assert (answer.final, answer.poll) == (True, False)


def test_6_5_no_packet_is_sent_for_the_poll_alone() -> None:
    talk = Talk().bring_up()
    before = len(talk.sent)
    talk.now += 0.01
    talk.configure(required_min_rx=200_000)
    assert len(talk.sent) == before
    talk.configure(required_min_rx=250_000)
    assert len(talk.sent) == before + 1, "it says something new"
    talk.receive(State.UP)
    assert len(talk.sent) == before + 1


# --- 6.6 Demand mode of the peer


def test_6_6_a_peer_in_demand_mode_is_not_sent_periodic_packets() -> None:
    talk = Talk().bring_up()
    talk.receive(State.UP, demand=True)
    talk.sent.clear()
    for _ in range(10):
        talk.now += 0.2
        assert talk.receive(State.UP, demand=True) == []
    assert talk.session.deadline == pytest.approx(talk.now + 0.6)
    assert talk.receive(State.UP, demand=True, poll=True)[0].final


def test_6_6_what_is_new_is_polled_towards_a_peer_in_demand_mode() -> None:
    talk = Talk().bring_up()
    talk.receive(State.UP, demand=True)
    [said] = talk.configure(detect_mult=5)
    assert (said.detect_mult, said.poll) == (5, True)
    assert len(talk.advance(0.5)) >= 2
    talk.receive(State.UP, demand=True, final=True)
    assert talk.advance(0.5) == []


def test_6_8_14_periodic_packets_begin_again_when_demand_mode_ends() -> None:
    talk = Talk().bring_up()
    talk.receive(State.UP, demand=True)
    talk.now += 0.5
    talk.receive(State.UP)
    assert len(talk.advance(0.5)) >= 2


def test_6_6_demand_mode_is_never_asked_for() -> None:
    talk = Talk().bring_up()
    talk.advance(0.5)
    assert not any(control.demand for _, control in talk.sent)


# --- 6.7 Authentication


def up_with_sha1() -> Talk:
    talk = Talk(authentication=SHA1).begin()
    talk.receive(State.DOWN, your_discriminator=0, sealed=(SHA1, 10))
    talk.receive(State.INIT, sealed=(SHA1, 11))
    assert talk.state is State.UP
    return talk


def test_6_7_1_packets_without_authentication_change_nothing() -> None:
    talk = up_with_sha1()
    talk.receive(State.DOWN)
    assert talk.state is State.UP
    assert talk.drops == [Drop.MISSING_AUTHENTICATION]
    plain = Talk().bring_up()
    plain.receive(State.DOWN, sealed=(SHA1, 12))
    assert (plain.state, plain.drops) == (State.UP, [Drop.UNEXPECTED_AUTHENTICATION])


@pytest.mark.parametrize(("number", "accepted"), [(11, False), (12, True), (20, True), (21, False), (3, False)])
def test_6_7_4_a_meticulous_number_is_within_three_multipliers_of_the_last(number: int, accepted: bool) -> None:
    talk = up_with_sha1()
    talk.receive(State.DOWN, sealed=(SHA1, number))
    assert talk.state is (State.DOWN if accepted else State.UP)
    assert talk.drops == ([] if accepted else [Drop.BAD_SEQUENCE])


def test_6_7_3_a_keyed_number_may_stay_the_same() -> None:
    keyed = Authentication(AuthType.KEYED_MD5, (Key(1, b"secret"),))
    talk = Talk(authentication=keyed).begin()
    for state in (State.DOWN, State.INIT, State.UP):
        talk.receive(state, sealed=(keyed, 10))
    assert talk.state is State.UP
    talk.receive(State.DOWN, sealed=(keyed, 9))
    assert talk.drops == [Drop.BAD_SEQUENCE]


def test_6_7_a_forged_packet_does_not_move_the_window() -> None:
    talk = up_with_sha1()
    forged = Authentication(AuthType.METICULOUS_KEYED_SHA1, (Key(1, b"guessed"),))
    talk.receive(State.DOWN, sealed=(forged, 19))
    assert (talk.session.rcv_auth_seq, talk.drops) == (11, [Drop.BAD_DIGEST])


def test_6_8_1_after_two_detection_times_any_number_is_accepted_again() -> None:
    talk = up_with_sha1()
    talk.advance(1.1)
    talk.receive(State.DOWN, your_discriminator=0, sealed=(SHA1, 5))
    assert talk.drops == [Drop.BAD_SEQUENCE], "the peer was heard 1.1 s ago; twice the Detection Time is 1.2 s"
    talk.advance(0.1)
    talk.receive(State.DOWN, your_discriminator=0, sealed=(SHA1, 5))
    assert talk.state is State.INIT


def test_6_7_4_meticulous_numbers_grow_with_every_packet_round_the_circle() -> None:
    talk = Talk(authentication=SHA1, sequence=0xFFFFFFFD).begin()
    talk.advance(5)
    numbers = [int.from_bytes(packet[28:32], "big") for packet in talk.raw]
    assert numbers[:4] == [0xFFFFFFFE, 0xFFFFFFFF, 0, 1]


def test_6_7_3_keyed_numbers_grow_when_the_packet_says_something_new() -> None:
    keyed = Authentication(AuthType.KEYED_SHA1, (Key(1, b"secret"),))
    talk = Talk(authentication=keyed, sequence=7).begin()
    talk.advance(3)
    assert {int.from_bytes(packet[28:32], "big") for packet in talk.raw} == {8}
    talk.receive(State.DOWN, your_discriminator=0, sealed=(keyed, 1))
    assert int.from_bytes(talk.raw[-1][28:32], "big") == 9


def test_6_7_1_a_new_key_is_used_without_a_flap() -> None:
    talk = up_with_sha1()
    new = Authentication(SHA1.type, (Key(2, b"new"), Key(1, b"secret")))
    talk.configure(authentication=new)
    talk.receive(State.UP, sealed=(SHA1, 12))
    talk.receive(State.UP, sealed=(Authentication(SHA1.type, (Key(2, b"new"),)), 13))
    assert talk.drops == []
    assert talk.state is State.UP
    talk.advance(0.3)
    assert talk.raw[-1][26] == 2


# --- 6.8.2, 6.8.3, 6.8.7 Timers


def test_6_8_3_not_up_is_slow() -> None:
    talk = Talk(chance=0.0).begin()
    assert talk.last.desired_min_tx == 1_000_000
    assert gaps(talk.advance(10)) == pytest.approx([1.0] * 9)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 0.2), (0.5, 0.175), (1.0, 0.15)])
def test_6_8_7_every_packet_is_jittered_between_three_quarters_and_the_whole(chance: float, expected: float) -> None:
    talk = Talk(chance=chance).bring_up(detect_mult=255)
    found = gaps(talk.advance(10 * expected + 0.01))
    assert found == pytest.approx([expected] * 9)


def test_6_8_7_the_slower_of_both_sides_sets_the_pace() -> None:
    talk = Talk(chance=0.0).bring_up(required_min_rx=400_000)
    talk.receive(State.UP, required_min_rx=400_000, desired_min_tx=10_000_000)
    assert gaps(talk.advance(2)) == pytest.approx([0.4] * 4)


def test_6_8_7_a_peer_that_wants_none_gets_no_periodic_packets() -> None:
    talk = Talk().bring_up()
    talk.receive(State.UP, required_min_rx=0, desired_min_tx=10_000_000)
    assert talk.advance(20) == []
    assert talk.receive(State.UP, required_min_rx=0, poll=True)[0].final


def test_6_8_3_a_peer_that_wants_more_gets_it_at_once() -> None:
    talk = Talk(chance=0.0).bring_up(required_min_rx=1_000_000)
    talk.advance(0.5)
    [quick] = talk.receive(State.UP, required_min_rx=100_000)
    assert not quick.final, "the next packet was due 0.2 s after the last"


def test_6_8_3_a_slower_rate_waits_for_the_final() -> None:
    talk = Talk(chance=0.0).bring_up()
    [said] = talk.configure(desired_min_tx=500_000)
    assert (said.desired_min_tx, said.poll) == (500_000, True)
    talk.receive(State.UP, desired_min_tx=10_000_000)
    assert gaps(talk.advance(1.01)) == pytest.approx([0.2] * 4)
    talk.receive(State.UP, desired_min_tx=10_000_000, final=True)
    assert gaps(talk.advance(2.01)) == pytest.approx([0.5] * 3)


def test_6_8_3_a_quicker_rate_is_used_at_once() -> None:
    talk = Talk(chance=0.0).bring_up(required_min_rx=1)
    talk.configure(desired_min_tx=50_000)
    assert gaps(talk.advance(0.21)) == pytest.approx([0.05] * 3)


def test_6_8_3_a_shorter_detection_time_waits_for_the_final() -> None:
    talk = Talk(required_min_rx=400_000).bring_up()
    assert talk.session.detection_time == pytest.approx(1.2)
    talk.configure(required_min_rx=100_000)
    assert talk.session.detection_time == pytest.approx(1.2)
    talk.receive(State.UP, final=True)
    assert talk.session.detection_time == pytest.approx(0.6)


def test_6_8_3_a_longer_detection_time_is_used_at_once() -> None:
    talk = Talk().bring_up()
    talk.configure(required_min_rx=400_000)
    assert talk.session.detection_time == pytest.approx(1.2)


def test_6_8_12_a_new_multiplier_is_said_at_once_without_a_poll() -> None:
    talk = Talk().bring_up()
    [said] = talk.configure(detect_mult=9)
    assert (said.detect_mult, said.poll) == (9, False)


def test_6_8_7_a_change_of_state_is_said_at_once() -> None:
    talk = Talk().begin()
    talk.now += 0.3
    assert [control.state for control in talk.receive(State.DOWN, your_discriminator=0)] == [State.INIT]
    talk.now += 0.3
    assert [control.state for control in talk.receive(State.INIT)] == [State.UP]
    talk.now += 0.01
    [down] = talk.receive(State.DOWN)
    assert (down.state, down.diagnostic) == (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_DOWN)


# --- 6.8.4 Detection


def test_6_8_4_silence_for_a_detection_time_ends_the_session() -> None:
    talk = Talk().bring_up()
    talk.advance(0.599)
    assert talk.state is State.UP
    talk.advance(0.002)
    assert talk.changes[-1] == Changed(State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED, State.DOWN)
    assert (talk.last.state, talk.last.diagnostic) == (State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED)


def test_6_8_4_every_packet_begins_the_detection_time_anew() -> None:
    talk = Talk().bring_up()
    for _ in range(20):
        talk.advance(0.55)
        talk.receive(State.UP)
    assert talk.state is State.UP
    talk.receive(State.UP, detect_mult=10)
    talk.advance(1.9)
    assert talk.state is State.UP


def test_6_8_4_dropped_packets_prove_no_life() -> None:
    talk = up_with_sha1()
    talk.receive(State.UP, sealed=(SHA1, 12))
    for _ in range(4):
        talk.advance(0.2)
        talk.receive(State.UP)
    assert talk.changes[-1].diagnostic is Diagnostic.DETECTION_TIME_EXPIRED


def test_6_8_4_a_session_in_init_falls_down_too() -> None:
    talk = Talk().begin()
    talk.receive(State.DOWN, your_discriminator=0)
    talk.advance(0.7)
    assert (talk.state, talk.session.local_diag) == (State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED)


def test_6_8_1_after_a_detection_time_the_peers_discriminator_is_forgotten_in_every_state() -> None:
    for talk in (Talk().bring_up(), Talk().begin()):
        talk.receive(State.UP)
        assert talk.session.remote_discr == THEIRS
        talk.advance(0.7)
        assert talk.last.your_discriminator == 0


def test_6_8_18_after_a_detection_time_the_peers_receive_interval_is_forgotten() -> None:
    talk = Talk(chance=0.0).bring_up()
    talk.receive(State.UP, required_min_rx=0)
    talk.advance(0.7)
    assert talk.state is State.DOWN
    assert gaps(talk.advance(5)) == pytest.approx([1.0] * 4)


def test_6_8_4_the_reason_is_told_until_the_session_is_up_again() -> None:
    talk = Talk().bring_up()
    talk.advance(0.7)
    [init] = talk.receive(State.DOWN, your_discriminator=0)
    assert (init.state, init.diagnostic) == (State.INIT, Diagnostic.DETECTION_TIME_EXPIRED)
    [up] = talk.receive(State.INIT)
    assert (up.state, up.diagnostic) == (State.UP, Diagnostic.NONE)


# --- 6.8.6 Reception


def test_6_8_6_every_accepted_packet_is_told_with_the_peers_state() -> None:
    talk = Talk().bring_up()
    talk.heard.clear()
    talk.receive(State.UP)
    talk.receive(State.DOWN)
    talk.receive(State.ADMIN_DOWN)
    assert talk.heard == [Heard(State.UP), Heard(State.DOWN), Heard(State.ADMIN_DOWN)]


def test_6_8_6_the_peers_discriminator_is_taken_from_every_packet() -> None:
    talk = Talk().begin()
    [answer] = talk.receive(State.DOWN, your_discriminator=0)
    assert answer.your_discriminator == THEIRS


def test_6_8_9_no_echo_is_asked_for_or_promised() -> None:
    talk = Talk().bring_up(required_min_echo_rx=50_000)
    talk.advance(0.5)
    assert {control.required_min_echo_rx for _, control in talk.sent} == {0}


# --- 6.8.16 Administrative control


def test_6_8_16_a_disabled_session_says_so_and_goes_on_saying_so() -> None:
    talk = Talk().bring_up()
    [said] = talk.step(Disable())
    assert (said.state, said.diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert {control.state for _, control in talk.advance(3)} == {State.ADMIN_DOWN}
    assert not any(control.final for control in talk.receive(State.DOWN, poll=True)), "the packet is discarded"
    assert talk.drops == [Drop.ADMIN_DOWN]


def test_6_8_16_an_enabled_session_begins_down_and_comes_up() -> None:
    talk = Talk().bring_up()
    talk.step(Disable())
    [said] = talk.step(Enable())
    assert (said.state, said.diagnostic) == (State.DOWN, Diagnostic.NONE)
    talk.receive(State.DOWN)
    talk.receive(State.INIT)
    assert talk.state is State.UP


def test_6_8_16_the_peers_admin_down_is_told_as_that() -> None:
    talk = Talk().bring_up()
    talk.receive(State.ADMIN_DOWN, diagnostic=Diagnostic.ADMINISTRATIVELY_DOWN)
    assert talk.changes[-1] == Changed(State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_DOWN, State.ADMIN_DOWN)


def test_enabling_what_is_not_disabled_changes_nothing() -> None:
    talk = Talk().bring_up()
    assert talk.step(Enable()) == []
    assert talk.state is State.UP


# --- a process that stood still


def test_who_stood_still_for_long_gives_the_peer_another_detection_time() -> None:
    talk = Talk().bring_up()
    talk.now += 5
    talk.step(Resume(gap=5.0))
    assert talk.state is State.UP
    talk.advance(0.59)
    assert talk.state is State.UP
    talk.advance(0.02)
    assert talk.state is State.DOWN


def test_a_short_gap_delays_no_verdict() -> None:
    talk = Talk().bring_up()
    talk.advance(0.5)
    talk.step(Resume(gap=0.29))
    talk.advance(0.11)
    assert talk.state is State.DOWN

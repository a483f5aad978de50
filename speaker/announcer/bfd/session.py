"""One BFD session in asynchronous mode (RFC 5880 6.8). Sans-IO: events go in with the time, effects come out.

Theory of operation. Both sides send Control packets at a negotiated rate; each takes silence for a Detection Time, or
the peer's word, for the end of the session. Attributes carry the names of the state variables of 6.8.1.

    Received, Tick, Configure, Disable, Enable, Resume --> step(event, now) --> Send, Heard, Changed, Dropped

Never asked for: Demand mode and Echo. A peer that asks for Demand mode is obeyed (6.6); Required Min Echo RX Interval
is 0, so nobody sends us Echo packets.

Whatever differs from what was said last is said at once (6.8.7), not with the next periodic packet: a peer that has
just agreed on 3 x 100 ms would otherwise wait for us for up to a second, and take us for dead.
"""

from collections.abc import Callable

from speaker.announcer.bfd.authentication import CIRCLE, check, in_window, seal
from speaker.announcer.bfd.events import (
    Changed,
    Configure,
    Disable,
    Dropped,
    Effect,
    Enable,
    Event,
    Heard,
    Received,
    Resume,
    Send,
    Tick,
)
from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.packet import Control, Diagnostic, State, encode
from speaker.announcer.bfd.poll import PollSequence
from speaker.announcer.bfd.states import ON_PACKET, ON_SILENCE
from speaker.announcer.bfd.timers import Parameters, desired_min_tx, detection_time, jittered

_Words = tuple[State, Diagnostic, int, int, int, int]


class Session:
    """A session begins Down. `discriminator` is unique here and random, `sequence` is random (32 bits both).

    `random` gives numbers from 0 to 1. The first `step` (Tick) sends the first packet.
    """

    def __init__(
        self, discriminator: int, parameters: Parameters, random: Callable[[], float], *, sequence: int = 0
    ) -> None:
        self.local_discr, self.parameters, self._random = discriminator, parameters, random
        self.session_state = self.remote_session_state = State.DOWN
        self.local_diag = Diagnostic.NONE
        self.remote_diag = 0
        # The peer's words; before any: bfd.RemoteDiscr MUST be initialized to zero, bfd.RemoteMinRxInterval to 1.
        self.remote_discr, self.remote_min_rx, self.remote_desired_min_tx = 0, 1, 0
        self.remote_detect_mult, self.remote_demand = 0, False
        self.desired_min_tx = desired_min_tx(parameters, up=False)
        self.required_min_rx = parameters.required_min_rx
        # What is used while the peer does not know yet what is advertised (6.8.3).
        self._tx_in_force, self._rx_in_force = self.desired_min_tx, self.required_min_rx
        self.poll = PollSequence()
        self.xmit_auth_seq, self.rcv_auth_seq, self.auth_seq_known = sequence, 0, False
        self._said: _Words | None = None  # without Poll and Final
        self._sent_at: float | None = None
        self._interval, self._next = 0, 0.0  # the transmit interval, and when it is over
        self._heard_at: float | None = None
        self._silence_from: float | None = None  # where the Detection Time begins

    @property
    def detection_time(self) -> float:
        """Seconds; 0 before the peer was heard."""
        return detection_time(self.remote_detect_mult, self._rx_in_force, self.remote_desired_min_tx)

    @property
    def transmit_interval(self) -> int:
        """Microseconds, before jitter.

        A system MUST NOT transmit BFD Control packets at an interval less than the larger of bfd.DesiredMinTxInterval
        and bfd.RemoteMinRxInterval, less applied jitter.
        """
        return max(self._tx_in_force, self.remote_min_rx)

    @property
    def deadline(self) -> float | None:
        """When `step` wants Tick; None: not before a packet comes."""
        silence = None if self._silence_from is None else self._silence_from + self.detection_time
        if not self._periodic:
            return silence
        return self._next if silence is None else min(silence, self._next)

    def step(self, event: Event, now: float) -> tuple[Effect, ...]:
        """Take one event at the time `now` (seconds, monotonic)."""
        effects: list[Effect] = []
        before = self.session_state
        answer = self._apply(event, now, effects)
        if self.session_state is not before:
            effects.append(Changed(self.session_state, self.local_diag, self.remote_session_state))
        self._transmit(now, answer, effects)
        return tuple(effects)

    def renumber(self) -> None:
        """The peer's process was replaced, as is known from elsewhere: its sequence numbers begin anew."""
        self.auth_seq_known = False

    def _apply(self, event: Event, now: float, effects: list[Effect]) -> bool:
        """Returns whether the event must be answered with Final."""
        match event:
            case Received(control, payload):
                return self._receive(control, payload, now, effects)
            case Tick():
                self._expire(now)
            case Configure(parameters):
                self._configure(parameters)
            case Disable():
                self._enter(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
            case Enable():
                if self.session_state is State.ADMIN_DOWN:
                    self._enter(State.DOWN, Diagnostic.NONE)
            case Resume(gap):
                self._resume(gap, now)
        return False

    # --- what comes

    def _receive(self, control: Control, payload: bytes, now: float, effects: list[Effect]) -> bool:
        """Take a packet (6.8.6); returns whether it must be answered with Final."""
        try:
            self._authenticate(control, payload, now)
        except MalformedPacket as error:
            effects.append(Dropped(error.reason))
            return False
        self.remote_discr = control.my_discriminator
        self.remote_session_state, self.remote_diag = control.state, control.diagnostic
        self.remote_demand, self.remote_min_rx = control.demand, control.required_min_rx
        self.remote_desired_min_tx, self.remote_detect_mult = control.desired_min_tx, control.detect_mult
        if self.poll.on_packet(final=control.final):
            self._tx_in_force, self._rx_in_force = self.desired_min_tx, self.required_min_rx
        # If bfd.SessionState is AdminDown, discard the packet.
        if self.session_state is State.ADMIN_DOWN:
            effects.append(Dropped(Drop.ADMIN_DOWN))
            return False
        effects.append(Heard(control.state))
        following = ON_PACKET.get((self.session_state, control.state))
        if following is not None:
            down = following is State.DOWN
            self._enter(following, Diagnostic.NEIGHBOR_SIGNALED_DOWN if down else self._diagnostic_in(following))
        # If the packet was not discarded, it has been received for purposes of the Detection Time expiration rules.
        self._heard_at = self._silence_from = now
        return control.poll

    def _diagnostic_in(self, state: State) -> Diagnostic:
        """The reason of the last failure is told until the session is up again."""
        return Diagnostic.NONE if state is State.UP else self.local_diag

    def _authenticate(self, control: Control, payload: bytes, now: float) -> None:
        authentication = self.parameters.authentication
        sequence = check(payload, control.section, authentication)
        if sequence is None or authentication is None:
            return
        # bfd.AuthSeqKnown: This variable MUST be set to zero after no packets have been received on this session for at
        # least twice the Detection Time.
        if self._heard_at is not None and now - self._heard_at >= 2 * self.detection_time:
            self.auth_seq_known = False
        if self.auth_seq_known and not in_window(sequence, self.rcv_auth_seq, authentication.type, control.detect_mult):
            raise MalformedPacket(Drop.BAD_SEQUENCE)
        self.rcv_auth_seq, self.auth_seq_known = sequence, True

    def _expire(self, now: float) -> None:
        """The end of a Detection Time (6.8.4), if it is one."""
        if self._silence_from is None or now < self._silence_from + self.detection_time:
            return
        self._silence_from = None
        # If a period of a Detection Time passes without the receipt of a valid, authenticated BFD packet from the
        # remote system, [bfd.RemoteDiscr] MUST be set to zero. 6.8.18: it SHOULD reset bfd.RemoteMinRxInterval to 1.
        self.remote_discr, self.remote_min_rx, self.remote_demand = 0, 1, False
        self.remote_session_state = State.DOWN
        self.poll.reset()
        following = ON_SILENCE.get(self.session_state)
        if following is not None:
            # The local system MUST set bfd.SessionState to Down and bfd.LocalDiag to 1 (Control Detection Time
            # Expired).
            self._enter(following, Diagnostic.DETECTION_TIME_EXPIRED)

    def _resume(self, gap: float, now: float) -> None:
        """Who was away for long distrusts itself: what it did not hear proves nothing, the Detection Time begins again.

        A shorter gap changes nothing: what had come meanwhile waited in the socket and was read before this event.
        """
        if self._silence_from is not None and gap >= self.detection_time / 2:
            self._silence_from = now

    # --- what changes

    def _enter(self, state: State, diagnostic: Diagnostic) -> None:
        self.session_state, self.local_diag = state, diagnostic
        self._set_desired_min_tx()
        if state is not State.UP:
            self._tx_in_force, self._rx_in_force = self.desired_min_tx, self.required_min_rx

    def _set_desired_min_tx(self) -> None:
        wanted = desired_min_tx(self.parameters, up=self.session_state is State.UP)
        if wanted == self.desired_min_tx:
            return
        # If either bfd.DesiredMinTxInterval is changed or bfd.RequiredMinRxInterval is changed, a Poll Sequence MUST be
        # initiated. If bfd.DesiredMinTxInterval is increased and bfd.SessionState is Up, the actual transmission
        # interval used MUST NOT change until the Poll Sequence described above has terminated.
        self.desired_min_tx = wanted
        self._tx_in_force = min(self._tx_in_force, wanted)
        self.poll.want()

    def _configure(self, parameters: Parameters) -> None:
        self.auth_seq_known &= parameters.authentication == self.parameters.authentication
        self.parameters = parameters
        self._set_desired_min_tx()
        if parameters.required_min_rx != self.required_min_rx:
            # If bfd.RequiredMinRxInterval is reduced and bfd.SessionState is Up, the previous value of
            # bfd.RequiredMinRxInterval MUST be used when calculating the Detection Time for the remote system until the
            # Poll Sequence described above has terminated.
            self.required_min_rx = parameters.required_min_rx
            self._rx_in_force = max(self._rx_in_force, self.required_min_rx)
            self.poll.want()
        if self.session_state is not State.UP:
            self._tx_in_force, self._rx_in_force = self.desired_min_tx, self.required_min_rx

    # --- what is sent

    @property
    def _allowed(self) -> bool:
        # A system MUST NOT transmit BFD Control packets if bfd.RemoteDiscr is zero and the system is taking the Passive
        # role.
        return self.remote_discr != 0 or not self.parameters.passive

    @property
    def _periodic(self) -> bool:
        # A system MUST NOT periodically transmit BFD Control packets if bfd.RemoteMinRxInterval is zero.
        # A system MUST NOT periodically transmit BFD Control packets if Demand mode is active on the remote system
        # (bfd.RemoteDemandMode is 1, bfd.SessionState is Up, and bfd.RemoteSessionState is Up) and a Poll Sequence is
        # not being transmitted.
        demand = self.remote_demand and self.session_state is State.UP and self.remote_session_state is State.UP
        return self._allowed and self.remote_min_rx != 0 and (not demand or self.poll.active)

    def _words(self) -> _Words:
        """What a packet says now, but for Poll and Final."""
        intervals = (self.desired_min_tx, self.required_min_rx)
        return (self.session_state, self.local_diag, self.parameters.detect_mult, self.remote_discr, *intervals)

    def _transmit(self, now: float, answer: bool, effects: list[Effect]) -> None:
        """Send what is due: an answer to a Poll, a change, or the periodic packet."""
        if self._interval != self.transmit_interval and self._sent_at is not None:
            # The transmit interval MUST be recalculated whenever bfd.DesiredMinTxInterval changes, or whenever
            # bfd.RemoteMinRxInterval changes, and is equal to the greater of those two values.
            self._schedule(self._sent_at)
        if not self._allowed:
            return
        # A BFD Control packet SHOULD be transmitted during the interval between periodic Control packet transmissions
        # when the contents of that packet would differ from that in the previously transmitted packet (other than the
        # Poll and Final bits) in order to more rapidly communicate a change in state.
        words = self._words()
        changed = words != self._said
        if changed and self.remote_demand and not self.poll.active:
            # 6.6: If Demand mode is active on either or both systems, a Poll Sequence MUST be initiated whenever the
            # contents of the next BFD Control packet to be sent would be different than the contents of the previous.
            self.poll.want()
        periodic = changed or (self._periodic and now >= self._next)
        if periodic:
            self._sent_at = now
            self._schedule(now)
        if periodic or answer:
            # If a BFD Control packet is received with the Poll (P) bit set to 1, the receiving system MUST transmit a
            # BFD Control packet with the Poll (P) bit clear and the Final (F) bit set as soon as practicable.
            effects.append(Send(self._packet(words, changed=changed, final=answer)))
            self._said = words

    def _schedule(self, since: float) -> None:
        self._interval = self.transmit_interval
        self._next = since + jittered(self._interval, self.parameters.detect_mult, self._random)

    def _packet(self, words: _Words, *, changed: bool, final: bool) -> bytes:
        state, diagnostic, detect_mult, remote_discr, transmit, receive = words
        control = Control(
            state=state,
            detect_mult=detect_mult,
            my_discriminator=self.local_discr,
            your_discriminator=remote_discr,
            desired_min_tx=transmit,
            required_min_rx=receive,
            diagnostic=diagnostic,
            # A BFD Control packet MUST NOT have both the Poll (P) and Final (F) bits set.
            poll=self.poll.active and not final,
            final=final,
        )
        authentication = self.parameters.authentication
        if authentication is None:
            return encode(control)
        # For Meticulous Keyed MD5 [and SHA1], bfd.XmitAuthSeq MUST be incremented in a circular fashion (when treated
        # as an unsigned 32-bit value). bfd.XmitAuthSeq SHOULD be incremented when the session state changes, or when
        # the transmitted BFD Control packet carries different contents than the previously transmitted packet.
        if authentication.type.meticulous or changed:
            self.xmit_auth_seq = (self.xmit_auth_seq + 1) % CIRCLE
        return seal(control, authentication, self.xmit_auth_seq)

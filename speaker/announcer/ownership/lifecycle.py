"""What this node trusts itself to do: it starts by asking, distrusts itself when it was late, and leaves politely.

    STARTING --all answered | 0.3 s and one answered | 1 s--> RUNNING <--same rule--- LATE (silent, asks)
        ^  carrier back: new boot                              |   ^                    ^
        +---- CARRIERLESS (owns nothing) <---------------------+   +-- loop gap > late -+

An answer is the complete claims of a peer, sent after the question: its echo shows that. A queue that filled while the
process was frozen holds nothing that counts.
"""

from typing import Final

from speaker.announcer.agenda import NEVER, Agenda
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Cause, Forgive, Left, Own, Unwilling
from speaker.announcer.ownership.messages import FIRST_KEY, LAST_KEY, Claims, Header, Key, Why
from speaker.announcer.ownership.peers import Peer, State
from speaker.announcer.ownership.suspicion import Suspicions
from speaker.announcer.ownership.tenure import Tenure
from speaker.announcer.ownership.timers import LEAVE_WORDS, START_HELLOS

_ASKING: Final = (Phase.STARTING, Phase.LATE)


class Lifecycle:
    """The phase of this node."""

    def __init__(self, core: Core, suspicions: Suspicions, tenure: Tenure) -> None:
        self.core, self.suspicions, self.tenure = core, suspicions, tenure
        self._asked_at = core.now
        self._question = 0  # the number of the last datagram before the question
        self._answered: set[str] = set()
        self._hellos: Agenda[int] = Agenda()
        self._leave_until = NEVER
        self._words: Agenda[int] = Agenda()

    @property
    def deadline(self) -> float:
        core = self.core
        if core.phase is Phase.RUNNING:
            soonest = core.heard_anybody + core.timers.deaf if self._may_be_deaf else NEVER
        else:
            soonest = min(self._hellos.deadline, self._next_end())
        if core.declines:
            soonest = min(soonest, self._words.deadline, self._leave_at)
        return soonest

    # --- carrier and lateness

    def carrier(self, up: frozenset[str], *, meets: bool) -> None:
        """The interfaces with carrier are these now; `meets`: that where the members meet is among them."""
        core = self.core
        before, core.up = core.up, up
        if not meets:
            if core.phase is not Phase.CARRIERLESS:
                self._lose()
        elif core.phase is Phase.CARRIERLESS:
            if core.seq:
                core.new_boot()
            core.phase, core.started, core.heard_anybody = Phase.STARTING, core.now, core.now
            self._ask()
        elif before != up:
            core.touched.update(core.entries)
            for key in list(core.book.of(core.me)):
                self.reinterface(key, before)

    def reinterface(self, key: Key, before: frozenset[str] | None) -> None:
        """Where an owned address is to be answered may have changed; `before`: the interfaces that were up then."""
        core = self.core
        entry = core.entries.get(key)
        if entry is None:
            return
        interfaces = core.interfaces(entry)
        if not interfaces:
            self.tenure.end(key, Cause.RELEASED, Why.CONCEDED)
        elif before is None or interfaces != (before if entry.interfaces is None else before & entry.interfaces):
            core.acts.append(Own(entry.address, interfaces))

    def _lose(self) -> None:
        """Nobody can be heard and nobody hears: own nothing from this moment."""
        core = self.core
        held = list(core.book.of(core.me))
        for key in held:
            self.tenure.end(key, Cause.RELEASED, None)
        self.suspicions.cancel()
        # What it knows grows old: when carrier is back, it knows no more than a process that starts.
        core.book.clear()
        for peer in core.roster.peers.values():
            peer.state = State.UNKNOWN
            peer.resuming.clear()
        for key in held:
            core.held_before(key)
        self._hellos.clear()
        core.phase, core.alone = Phase.CARRIERLESS, False
        if Unwilling.LEAVING in core.declines:
            core.acts.append(Left())
        core.touched.update(core.entries)

    def late(self) -> None:
        """The process was away for too long: it may have been replaced."""
        core = self.core
        core.late_at = core.now
        if core.phase is Phase.CARRIERLESS:
            return
        core.acts.append(Forgive())
        core.heard_anybody = core.now
        if core.phase is Phase.RUNNING:
            core.phase = Phase.LATE
            core.tally["late", ""] += 1
            core.touched.update(core.entries)
        self.suspicions.cancel()
        self._ask()

    def reborn(self) -> None:
        """This process is an old memory image of itself: it knows nothing of what happened since."""
        self.core.new_boot()
        self.late()

    # --- asking

    def _ask(self) -> None:
        core = self.core
        self._asked_at, self._question = core.now, core.seq
        self._answered.clear()
        for peer in core.roster.peers.values():
            peer.next_low = FIRST_KEY
        core.out.hello = True
        for index, delay in enumerate(START_HELLOS):
            self._hellos.plan(index, core.now + delay)

    @property
    def asking(self) -> bool:
        return self.core.phase in _ASKING

    def answered(self, peer: Peer) -> bool:
        return peer.name in self._answered

    def answer(self, peer: Peer, header: Header, claims: Claims) -> None:
        """Complete claims came, perhaps in several datagrams: an answer when none is missing."""
        sent_after = header.echo_boot == self.core.boot and header.echo_seq > self._question
        if not self.asking or not sent_after or claims.low != peer.next_low:
            return
        if claims.high == LAST_KEY:
            self._answered.add(peer.name)
        else:
            peer.next_low = (int.from_bytes(claims.high, "big") + 1).to_bytes(16, "big")

    def _next_end(self) -> float:
        if not self.asking:
            return NEVER
        timers = self.core.timers
        ends = (self._asked_at + after for after in (timers.soonest, timers.sync, timers.alone))
        return min((end for end in ends if end > self.core.now), default=self.core.now)

    def progress(self) -> None:
        """End STARTING or LATE when its rule says so."""
        core, timers = self.core, self.core.timers
        if not self.asking:
            return
        now, begun = core.now, self._asked_at
        enough = begun + (timers.sync if self._missing() else timers.soonest)
        if now >= begun + timers.alone or (now >= enough and self._may_begin()):
            self._begin()

    def _may_begin(self) -> bool:
        """Somebody answered, or there is nobody."""
        return bool(self._answered) or not self.core.roster.peers

    def _missing(self) -> bool:
        """Whether an answer is still worth a wait. A node that was DOWN before a lateness most likely still is."""
        late = self.core.phase is Phase.LATE
        return any(
            peer.name not in self._answered and not (late and peer.state is State.DOWN)
            for peer in self.core.roster.peers.values()
        )

    def _begin(self) -> None:
        core = self.core
        was_late = core.phase is Phase.LATE
        core.phase = Phase.RUNNING
        self._hellos.clear()
        # What was read at once after the silence came out of a queue; only an answer or a later word counts.
        unheard = self._asked_at + core.timers.soonest
        for peer in core.roster.peers.values():
            if peer.state is State.ALIVE and peer.name not in self._answered and peer.heard < unheard:
                self.suspicions.suspect(peer, loud=True)
        self.suspicions.check_all_later()
        core.out.hello = True
        core.touched.update(core.entries)
        if was_late:
            core.late_at = core.now
            self.tenure.renew()

    # --- leaving

    def leave(self) -> None:
        """Give everything away, then go."""
        core = self.core
        if core.phase is Phase.CARRIERLESS:
            core.acts.append(Left())  # it has nothing, and nobody would hear its last word
        elif self._leave_until == NEVER and not self._words:
            core.declines |= {Unwilling.LEAVING}
            core.touched.update(core.book.of(core.me))
            core.out.hello = True
            self._leave_until = core.now + core.timers.leave

    @property
    def _leave_at(self) -> float:
        if self._leave_until == NEVER:
            return NEVER
        core = self.core
        somebody = any(peer.living for peer in core.roster.peers.values())
        return self._leave_until if core.book.of(core.me) and somebody else core.now

    def run(self) -> None:
        """Ask again, find out that nobody is heard, go."""
        core = self.core
        if self._hellos.due(core.now) and self.asking:
            core.out.hello = True
        self._listen()
        if self._leave_at <= core.now:
            self._part()
        for index in self._words.due(core.now):
            core.out.hello = True
            if index == len(LEAVE_WORDS) - 1:
                core.acts.append(Left())

    @property
    def _may_be_deaf(self) -> bool:
        core = self.core
        return core.phase is Phase.RUNNING and not core.alone and bool(core.roster.peers)

    def _listen(self) -> None:
        core = self.core
        if self._may_be_deaf and core.now >= core.heard_anybody + core.timers.deaf:
            core.alone = True
            core.out.hello = True

    def _part(self) -> None:
        core = self.core
        for key in list(core.book.of(core.me)):
            self.tenure.end(key, Cause.LEFT, Why.CONCEDED)
        self._leave_until, core.leaving = NEVER, True
        for index, delay in enumerate(LEAVE_WORDS):
            self._words.plan(index, core.now + delay)

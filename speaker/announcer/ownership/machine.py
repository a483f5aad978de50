"""Who owns an address, as this node sees it. Sans-IO: events go in with the time, effects come out.

Theory of operation. The speaker ranks: for each address it names the nodes that may own it, best first, from
Kubernetes' facts. The announcers elect, on the wire: each decides for itself from what it hears, a claim is broadcast,
and one total order settles two claims. docs/explanation/ownership.md tells the whole protocol; its parts are

    reception    what a datagram proves, and what it says          lifecycle  STARTING, RUNNING, LATE, leaving
    suspicion    evidence, windows, verdicts: who lives            tenure     this node's own claims begin and end
    vacancies    filling an address that nobody living claims      moves      planned moves, make before break
    conflicts    two owners, third witnesses, the wire's word      claims     the book of all claims and their order

A step takes all events that are there, runs the timers, settles every address that was touched, and only then speaks.

An address is answered <=> `owned` has it and `silent` is False, and this step was the first thing after a wake-up: the
gap before it is how a process that was frozen finds out.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lb_controller.model.address import Address
from speaker.announcer.agenda import NEVER
from speaker.announcer.ownership.claims import Lost
from speaker.announcer.ownership.conflicts import Conflicts
from speaker.announcer.ownership.core import Boots, Core, Phase
from speaker.announcer.ownership.events import (
    Announce,
    Answered,
    Asked,
    Carrier,
    Cause,
    Claimed,
    Decline,
    Effect,
    Event,
    Expired,
    Heard,
    Leave,
    Members,
    Received,
    Unwilling,
    Withdraw,
)
from speaker.announcer.ownership.lifecycle import Lifecycle
from speaker.announcer.ownership.messages import Claim, Flag, Why, address_of, key_of
from speaker.announcer.ownership.moves import Moves
from speaker.announcer.ownership.reception import Reception
from speaker.announcer.ownership.speech import Speech
from speaker.announcer.ownership.suspicion import Suspicions
from speaker.announcer.ownership.tenure import Tenure
from speaker.announcer.ownership.timers import Timers
from speaker.announcer.ownership.vacancies import Vacancies


@dataclass(frozen=True, slots=True)
class Memory:
    """What a restarted process remembers: hints only. A living owner always wins, whatever is remembered."""

    held: frozenset[Address] = frozenset()
    lamport: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which node this is; `failback`: a better candidate that is there again gets its addresses back."""

    node: str
    failback: bool = False


class Machine:
    """The ownership of all addresses on one node and link. `deadline`: when `step` wants to be called at the latest."""

    def __init__(self, me: Identity, timers: Timers, boots: Boots, now: float, memory: Memory | None = None) -> None:
        self._core = core = Core(me.node, timers, boots, now)
        self._tenure = Tenure(core)
        self._suspicions = Suspicions(core)
        self._vacancies = Vacancies(core, self._tenure)
        self._moves = Moves(core, self._tenure, failback=me.failback)
        self._conflicts = Conflicts(core, self._tenure, self._suspicions, self._vacancies)
        self._lifecycle = Lifecycle(core, self._suspicions, self._tenure)
        self._reception = Reception(core, self._suspicions, self._lifecycle, self._moves, self._conflicts)
        self._speech = Speech(core, self._lifecycle)
        self._parts = (
            self._lifecycle,
            self._suspicions,
            self._reception,
            self._vacancies,
            self._moves,
            self._conflicts,
            self._tenure,
        )
        self._take: dict[type[Event], Callable[[Any], None]] = {
            Members: self._members,
            Announce: self._announce,
            Withdraw: self._withdraw,
            Decline: self._decline,
            Leave: self._leave,
            Carrier: self._carrier,
            Received: self._received,
            Heard: self._heard,
            Expired: self._expired,
            Asked: self._conflicts.asked,
            Answered: self._conflicts.answered,
            Claimed: self._conflicts.claimed,
        }
        self.woke = now
        self.deadline = now
        if memory is not None:
            core.lamport = memory.lamport
            for address in memory.held:
                core.book.lost[key_of(address)] = Lost(me.node, Cause.RESUMED, now)

    # --- one step

    def step(self, events: Iterable[Event], now: float) -> list[Effect]:
        """Take all events that are there at the time `now` (seconds, monotonic)."""
        core = self._core
        core.now = now
        if now - self.woke > core.timers.late:
            self._lifecycle.late()
        self.woke = now
        for event in events:
            self._take[type(event)](event)
        if core.phase is not Phase.CARRIERLESS:
            for part in self._parts:
                if part.deadline <= now:
                    part.run()
            self._lifecycle.progress()
        self._settle()
        effects = self._speech.take()
        deadline = min([part.deadline for part in self._parts]) if core.phase is not Phase.CARRIERLESS else NEVER
        self.deadline = min(now + core.timers.wake, deadline, core.hello_at)
        return effects

    def _received(self, event: Received) -> None:
        if self._core.phase is not Phase.CARRIERLESS:
            self._reception.take(event.message)

    def _carrier(self, event: Carrier) -> None:
        self._lifecycle.carrier(event.interfaces, meets=event.meets)

    def _leave(self, _: Leave) -> None:
        self._lifecycle.leave()

    def _expired(self, event: Expired) -> None:
        peer = self._core.roster.peers.get(event.peer)
        if peer is not None:
            self._suspicions.expired(peer)

    def _heard(self, event: Heard) -> None:
        peer = self._core.roster.peers.get(event.peer)
        if peer is None or self._core.phase is Phase.CARRIERLESS:
            return
        self._reception.heard_somebody()
        if event.two_way:
            peer.session_up = True
        elif peer.session_up:
            self._suspicions.session_down(peer)
        if not peer.flags & Flag.ALONE:
            self._suspicions.evidence(peer, two_way=event.two_way)

    # --- the speaker's word

    def _members(self, event: Members) -> None:
        core = self._core
        for peer in core.roster.set_members(event.names):
            self._suspicions.drop(peer)
            core.touched.update(core.book.forget(peer.name, Cause.LEFT, float("-inf")))
        self._suspicions.members_changed()
        core.recount = True

    def _announce(self, entry: Announce) -> None:
        core, key = self._core, key_of(entry.address)
        if not entry.candidates:
            self._withdraw(Withdraw(entry.address))
            return
        before = core.entries.get(key)
        core.entries[key] = entry
        core.touched.add(key)
        if before is None:
            return
        if core.owns(key):
            if before.interfaces != entry.interfaces:
                self._lifecycle.reinterface(key, None)
            if entry.rebalance - before.rebalance:
                self._moves.rebalance(key)
        elif before.candidates != entry.candidates:
            self._vacancies.reconsider(key)

    def _withdraw(self, event: Withdraw) -> None:
        core, key = self._core, key_of(event.address)
        if key not in core.entries:
            return
        self._tenure.end(key, Cause.RELEASED, Why.WITHDRAWN)
        del core.entries[key]
        core.book.lost.pop(key, None)
        core.touched.add(key)

    def _decline(self, event: Decline) -> None:
        core = self._core
        reasons = event.reasons | (core.declines & {Unwilling.LEAVING})
        if core.declines != reasons:
            core.declines = reasons
            core.touched.update(core.entries)
            core.out.hello = True

    # --- settling

    def _settle(self) -> None:
        core = self._core
        if core.returned:
            self._vacancies.wait_for(core.returned)
            core.returned.clear()
        if core.recount:
            core.recount = False
            self._vacancies.recount()
            self._moves.recount()
        while core.touched:
            touched, core.touched = core.touched, set()
            for key in sorted(touched):
                self._conflicts.settle(key)
                self._moves.settle(key)
                self._vacancies.settle(key)
        for key in sorted(core.disputed):
            if core.owns(key):
                self._tenure.defend(key)
        core.disputed.clear()

    # --- what is

    @property
    def me(self) -> str:
        return self._core.me

    @property
    def tally(self) -> Counter[tuple[str, str]]:
        """What happened since the machine began: (counter, label) -> number."""
        return self._core.tally

    @property
    def late_after(self) -> float:
        """Seconds between two steps that make the node distrust itself."""
        return self._core.timers.late

    @property
    def silent(self) -> bool:
        """Whether nothing may be answered now, whatever is owned."""
        return self._core.phase is not Phase.RUNNING

    @property
    def owned(self) -> dict[Address, frozenset[str]]:
        """The addresses that this node owns, each with the interfaces where it answers."""
        core = self._core
        entries = [core.entries.get(key) for key in core.book.of(core.me)]
        return {entry.address: core.interfaces(entry) for entry in entries if entry is not None}

    @property
    def announced(self) -> frozenset[Address]:
        """All addresses that the speaker spoke of."""
        return frozenset(entry.address for entry in self._core.entries.values())

    def claim(self, node: str, address: Address) -> Claim | None:
        """The claim of a node, this one or a peer, to the address, as known here."""
        return self._core.book.of(node).get(key_of(address))

    def known(self, node: str) -> tuple[int, int]:
        """Number and digest of the claims of a node, this one or a peer, as known here."""
        return self._core.book.summary(node)

    @property
    def quarantined(self) -> dict[Address, bytes]:
        """New addresses that a foreign host has, and its hardware address."""
        return {address_of(key): mac for key, mac in self._vacancies.quarantined.items()}

    @property
    def away(self) -> int:
        """How many addresses this node owns without being their first candidate."""
        core = self._core
        found = (core.entries.get(key) for key in core.book.of(core.me))
        return sum(entry is not None and entry.candidates[0] != core.me for entry in found)

    @property
    def without_heir(self) -> int:
        """How many addresses should go to another node, and none takes them."""
        return self._moves.stuck

    @property
    def memory(self) -> Memory:
        """What to remember for the next process."""
        held = frozenset(address_of(key) for key in self._core.book.of(self._core.me))
        return Memory(held, self._core.lamport)

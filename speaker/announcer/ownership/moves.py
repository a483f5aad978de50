"""Planned moves: make before break. The owner names an heir and answers until it hears the heir's claim.

An owner must give when it declines (drain, excluded, cannot forward, leaving) or is no candidate any more, and then
goes on for ever: an address that nobody takes stays answered, and that is told. It merely offers when the user asks for
a rebalance, or when failback is immediate; an offer that nobody takes ends.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from speaker.announcer.agenda import NEVER, Agenda
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Announce, Cause, NoHeir
from speaker.announcer.ownership.messages import Bequest, Key, Owner, Strength
from speaker.announcer.ownership.peers import Peer
from speaker.announcer.ownership.tenure import Tenure
from speaker.announcer.ownership.timers import YIELD_PAUSES

TRIES: Final = 4  # for one heir, then the next
OFFERS: Final = 20  # begun at once, every OFFER_PAUSE seconds
OFFER_PAUSE: Final = 0.1


@dataclass(slots=True)
class Giving:
    """One address on its way. `must`: otherwise it is an offer."""

    must: bool
    tries: int = 0
    told: bool = False  # that nobody takes it


class Moves:
    """What this node gives away, and what it is given."""

    def __init__(self, core: Core, tenure: Tenure, *, failback: bool) -> None:
        self.core, self.tenure, self.failback = core, tenure, failback
        self._giving: dict[Key, Giving] = {}
        self._due: Agenda[Key] = Agenda()
        self._offers: deque[Key] = deque()
        self._offers_at = NEVER
        self._ready: set[str] = set()
        self._failbacks: Agenda[str] = Agenda()

    @property
    def deadline(self) -> float:
        return min(self._due.deadline, self._offers_at, self._failbacks.deadline)

    @property
    def stuck(self) -> int:
        """How many addresses nobody takes."""
        return sum(giving.told for giving in self._giving.values())

    def settle(self, key: Key) -> None:
        """Something about the address changed."""
        core = self.core
        entry = core.entries.get(key)
        giving = self._giving.get(key)
        if entry is None or not core.owns(key):
            self._stop(key)
            return
        must = bool(core.declines) or core.me not in entry.candidates
        if must and (giving is None or not giving.must):
            self._start(key, must=True)
        elif giving is not None and giving.must and not must:
            self._stop(key)

    def _start(self, key: Key, *, must: bool) -> None:
        self._giving[key] = Giving(must)
        self._due.plan(key, self.core.now)

    def _stop(self, key: Key) -> None:
        if self._giving.pop(key, None) is not None:
            self._due.cancel(key)

    # --- offers

    def rebalance(self, key: Key) -> None:
        """The user wants the address on its first rank."""
        self._offers.append(key)
        self._offers_at = min(self._offers_at, self.core.now)

    def recount(self) -> None:
        """Who is ready changed."""
        if not self.failback:
            return
        ready = {peer.name for peer in self.core.roster.peers.values() if peer.ready}
        for name in sorted(ready - self._ready):
            self._failbacks.plan(name, self.core.now + self.core.timers.failback)
        for name in self._ready - ready:
            self._failbacks.cancel(name)
        self._ready = ready

    def _offer(self, key: Key) -> None:
        entry = self.core.entries.get(key)
        if entry is not None and self.core.owns(key) and key not in self._giving and self._heirs(entry, better=True):
            self._start(key, must=False)

    def _offer_some(self) -> None:
        for _ in range(min(OFFERS, len(self._offers))):
            self._offer(self._offers.popleft())
        self._offers_at = self.core.now + OFFER_PAUSE if self._offers else NEVER

    def _fail_back(self, name: str) -> None:
        for key in self.core.book.of(self.core.me):
            entry = self.core.entries.get(key)
            if entry is not None and name in entry.candidates:
                self.rebalance(key)

    # --- giving

    def run(self) -> None:
        """Ask heirs."""
        for name in self._failbacks.due(self.core.now):
            self._fail_back(name)
        if self._offers_at <= self.core.now:
            self._offer_some()
        for key in self._due.due(self.core.now):
            self._ask(key, self._giving[key])

    def _ask(self, key: Key, giving: Giving) -> None:
        core, entry = self.core, self.core.entries[key]
        pause = YIELD_PAUSES[min(giving.tries, len(YIELD_PAUSES) - 1)]
        heirs = self._heirs(entry, better=not giving.must)
        everybody_asked = giving.tries >= TRIES * len(heirs)
        if everybody_asked and not giving.must:
            self._stop(key)
            return
        self._due.plan(key, core.now + pause)
        if everybody_asked and not giving.told:
            giving.told = True
            core.acts.append(NoHeir(entry.address))
        if heirs and core.phase is Phase.RUNNING:
            heir = heirs[giving.tries // TRIES % len(heirs)]
            core.out.yields[key] = Bequest(core.book.of(core.me)[key], heir.id)
            giving.tries += 1

    def _heirs(self, entry: Announce, *, better: bool) -> list[Peer]:
        """Who may take it, best first; `better`: only those before this node."""
        names = entry.candidates
        if better:
            names = names[: names.index(self.core.me)] if self.core.me in names else ()
        peers = self.core.roster.peers
        return [peers[name] for name in names if name in peers and peers[name].ready]

    # --- being given

    def inherit(self, key: Key, bequest: Bequest, giver: Peer) -> None:
        """Take an address that its owner gives to this node, with at least the strength that it had.

        Who comes home from an island may give what another has meanwhile, before it hears of that: it is told.
        """
        core = self.core
        entry = core.entries.get(key)
        if entry is None or not core.may_claim or not core.candidate(entry):
            return
        owner = core.best(key)
        if owner is not None and owner not in (core.me, giver.name) and core.book.of(owner)[key] > bequest.claim:
            peer = core.roster.peers[owner]
            core.out.better(giver.name, key, Owner(peer.id, core.book.of(owner)[key], core.may_vouch(peer)))
        elif core.owns(key):
            core.disputed.add(key)  # the giver has not heard the claim
        else:
            self.tenure.take(key, Cause.MOVE, at_least=Strength(bequest.claim.strength))

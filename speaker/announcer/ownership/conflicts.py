"""Two owners of one address, and what the wire and third nodes say about it.

The worse claimant stops as soon as it hears the better claim; the better one states its claim again. Where the two do
not hear each other, a third node that hears both tells the loser.
"""

from speaker.announcer.agenda import Agenda
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Answered, Asked, Cause, Claimed, Conflict, Gratuitous
from speaker.announcer.ownership.messages import Key, Owner, Why, key_of
from speaker.announcer.ownership.peers import LONG_AGO, State
from speaker.announcer.ownership.suspicion import Suspicions
from speaker.announcer.ownership.tenure import Tenure
from speaker.announcer.ownership.vacancies import Vacancies


class Conflicts:
    """Settles addresses with several claimants."""

    def __init__(self, core: Core, tenure: Tenure, suspicions: Suspicions, vacancies: Vacancies) -> None:
        self.core, self.tenure, self.suspicions, self.vacancies = core, tenure, suspicions, vacancies
        self._contested: Agenda[Key] = Agenda()
        self._gratuitous: Agenda[tuple[Key, str]] = Agenda()
        self._defended: dict[Key, float] = {}

    @property
    def deadline(self) -> float:
        return min(self._contested.deadline, self._gratuitous.deadline)

    def settle(self, key: Key) -> None:
        """Something about the address changed: concede to a better claim, or watch over two others."""
        core = self.core
        if len(core.book.claimants(key)) < 2:
            return
        if core.owns(key) and core.best(key) != core.me:
            self.tenure.end(key, Cause.RELEASED, Why.CONCEDED)
        elif key not in self._contested:
            self._contested.plan(key, core.now + core.timers.tell)

    def run(self) -> None:
        """Tell losers; ask members whose gratuitous frames contradict what they stated."""
        core = self.core
        for key in self._contested.due(core.now):
            if len(core.book.claimants(key)) > 1:
                self._contested.plan(key, core.now + core.timers.tell)
                self._still_contested(key)
        for key, name in self._gratuitous.due(core.now):
            peer = core.roster.peers.get(name)
            if peer is not None and peer.living and key not in core.book.of(name):
                core.ask(peer)

    def _still_contested(self, key: Key) -> None:
        core = self.core
        if not core.owns(key):
            self._tell_losers(key)
        elif core.unheard:
            # Whoever claims it cannot know better, and will win the clients whatever this node holds.
            self.tenure.end(key, Cause.RELEASED, Why.CONCEDED)
        else:
            self.tenure.defend(key)

    def _tell_losers(self, key: Key) -> None:
        core = self.core
        best = core.best(key)
        assert best is not None
        for name in core.book.claimants(key):
            if name != best and (name in core.roster.watch or name in core.roster.near):
                core.out.better(name, key, self._owner(key, best))

    def _owner(self, key: Key, name: str) -> Owner:
        peer = self.core.roster.peers[name]
        return Owner(peer.id, self.core.book.of(name)[key], self.core.may_vouch(peer))

    # --- what a third node says

    def told(self, key: Key, owner: Owner) -> None:
        """A witness names the owner of an address, because it thinks that this node claims it or is about to."""
        core = self.core
        if not core.owns(key) and key not in self.vacancies and owner.node != core.id:
            core.out.releases[key] = Why.CONCEDED  # the witness has not heard that it does not
        if owner.node == core.id:
            core.held_before(key)
            return
        peer = core.roster.by_id.get(owner.node)
        if peer is None:
            return
        if peer.state is State.UNKNOWN:
            self.vacancies.veto(key)
            return
        if owner.vouched and core.phase is not Phase.LATE:
            self.suspicions.vouched(peer)
        known = core.book.of(peer.name).get(key)
        if not peer.living or (known is not None and known >= owner.claim):
            return
        if core.now - peer.both_ways < core.timers.heard_lately:
            core.ask(peer)  # it can tell itself, and the witness may have missed that it conceded
        else:
            core.book.put(peer.name, key, owner.claim)
            core.touched.add(key)

    # --- what the wire says

    def asked(self, event: Asked) -> None:
        """A member probes. It may claim next, so tell it of an owner that it cannot hear."""
        core, key = self.core, key_of(event.address)
        prober = core.roster.peers.get(event.member)
        owner = core.best(key)
        if prober is None or owner is None or owner == prober.name or core.resumes(owner, key):
            return
        if owner == core.me:
            if core.phase is Phase.RUNNING:
                core.out.better(prober.name, key, Owner(core.id, core.book.of(core.me)[key], vouched=True))
        elif prober.name in core.roster.watch and core.may_vouch(core.roster.peers[owner]):
            core.out.better(prober.name, key, self._owner(key, owner))

    def answered(self, event: Answered) -> None:
        """Somebody answered a probe of this node."""
        key = key_of(event.address)
        peer = self.core.roster.peers.get(event.member) if event.member is not None else None
        if peer is not None:
            self.suspicions.evidence(peer, two_way=True)
            if self.vacancies.answered_by_member(key):
                self.core.ask(peer)
        elif event.member is None:
            self.vacancies.answered(key, event.mac)

    def claimed(self, event: Claimed) -> None:
        """Somebody announced the address by a gratuitous frame."""
        core, key = self.core, key_of(event.address)
        if event.member is not None:
            if event.member in core.roster.peers and key not in core.book.of(event.member):
                self._gratuitous.plan((key, event.member), core.now + core.timers.tell)
            return
        self.vacancies.answered(key, event.mac)
        if core.owns(key) and core.now - self._defended.get(key, LONG_AGO) >= core.timers.defend:
            self._defended[key] = core.now
            core.acts += [Conflict(event.address, event.mac), Gratuitous(event.address)]
        if core.owns(key):
            core.tally["foreign_claims", ""] += 1

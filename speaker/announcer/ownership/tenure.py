"""Beginning and end of this node's own claims: the only place where it takes an address or lets one go."""

from speaker.announcer.agenda import Agenda
from speaker.announcer.ownership.claims import Lost
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Cause, Gratuitous, Own, Release
from speaker.announcer.ownership.messages import Claim, Key, Strength, Why
from speaker.announcer.ownership.peers import LONG_AGO
from speaker.announcer.ownership.timers import CLAIM_REPEATS


class Tenure:
    """Takes, states and ends claims. A claim is stated three times: three losses in a row are rare."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._repeats: Agenda[tuple[Key, int]] = Agenda()
        self._weak: set[Key] = set()
        self._majority_since: float | None = None
        self._unheard_since: float | None = None
        self._upkeep_at = core.now
        self._defended: dict[Key, float] = {}

    @property
    def deadline(self) -> float:
        return min(self._repeats.deadline, self._upkeep_at)

    def take(self, key: Key, cause: Cause, *, at_least: Strength = Strength.WEAK) -> None:
        """Claim the address and answer for it."""
        core = self.core
        strength = max(at_least, core.strength(after_death=cause is Cause.DEATH))
        self._state(key, strength)
        entry = core.entries[key]
        core.acts.append(Own(entry.address, core.interfaces(entry)))
        core.tally["takeovers", cause] += 1

    def _state(self, key: Key, strength: Strength) -> None:
        core = self.core
        core.lamport += 1
        core.book.put(core.me, key, Claim(strength, core.lamport))
        core.out.claims[key] = None
        core.touched.add(key)
        self._repeats.plan((key, 0), core.now + CLAIM_REPEATS[0])
        self._repeats.plan((key, 1), core.now + CLAIM_REPEATS[1])
        if strength is Strength.WEAK:
            self._weak.add(key)
        else:
            self._weak.discard(key)

    def renew(self) -> None:
        """After a time of silence or a change of interfaces: answer for what is left, and tell the link."""
        core = self.core
        for key in core.book.of(core.me):
            entry = core.entries.get(key)
            if entry is not None:
                core.acts.append(Own(entry.address, core.interfaces(entry)))

    def end(self, key: Key, cause: Cause, why: Why | None) -> None:
        """Stop answering at once; `why` tells the others, None says nothing (they cannot hear it)."""
        core = self.core
        address = core.entries[key].address if key in core.entries else None
        if not core.book.drop(key, Lost(core.me, cause, core.now, withdrawn=why is Why.WITHDRAWN)):
            return
        if address is not None:
            core.stops.append(Release(address))
        if why is not None:
            core.out.releases[key] = why
        core.out.claims.pop(key, None)
        core.touched.add(key)
        self._weak.discard(key)
        self._defended.pop(key, None)

    def defend(self, key: Key) -> None:
        """A worse claim was heard: state ours again, at most every so often."""
        core = self.core
        if core.now - self._defended.get(key, LONG_AGO) < core.timers.tell:
            return
        self._defended[key] = core.now
        core.out.claims[key] = None
        if core.phase is Phase.RUNNING:
            core.acts.append(Gratuitous(core.entries[key].address))

    def run(self) -> None:
        """State again what is still claimed; keep the strength of claims true."""
        core = self.core
        for key, _ in self._repeats.due(core.now):
            core.out.claims[key] = None
        if self._upkeep_at <= core.now:
            self._upkeep_at = core.now + core.timers.wake
            if not core.unheard:
                self._unheard_since = None
            elif len(self._weak) < len(core.book.of(core.me)):
                self._doubt()
            self._upgrade()

    def _doubt(self) -> None:
        """It seems that nobody hears this node: broadcasts carry no echo, so the peers are asked before it counts."""
        core = self.core
        if self._unheard_since is None:
            self._unheard_since = core.now
        if core.now - self._unheard_since >= core.timers.window:
            self._downgrade()
            return
        for peer in core.roster.peers.values():
            if peer.living:
                core.ask(peer)

    def _downgrade(self) -> None:
        """Nobody hears this node, so others took over: what it holds must not win when it is heard again."""
        core = self.core
        for key, claim in list(core.book.of(core.me).items()):
            if claim.strength is Strength.STRONG:
                core.book.put(core.me, key, Claim(Strength.WEAK, claim.stamp))
                self._weak.add(key)
                core.touched.add(key)

    def _upgrade(self) -> None:
        """WEAK claims become STRONG when a majority has been heard for a while and nobody disputes them."""
        core = self.core
        if not self._weak or core.phase is not Phase.RUNNING or not core.strength(after_death=False):
            self._majority_since = None
            return
        if self._majority_since is None:
            self._majority_since = core.now
        if core.now - self._majority_since < core.timers.upgrade:
            return
        for key in sorted(key for key in self._weak if len(core.book.claimants(key)) == 1):
            self._state(key, Strength.STRONG)

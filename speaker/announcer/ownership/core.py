"""The facts that all rules of one machine share, and the questions that several rules ask of them.

Rules change facts (a peer's state, a claim, the speaker's word) and name the addresses that this touched; when all
events of a step are taken, each touched address is settled once. So no rule needs to know which others follow from it.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum, auto, unique

from speaker.announcer.ownership.claims import Book, Lost, rank_key
from speaker.announcer.ownership.events import Announce, Cause, Effect, Unwilling
from speaker.announcer.ownership.messages import Flag, Key, Strength, node_id
from speaker.announcer.ownership.outbox import Outbox
from speaker.announcer.ownership.peers import LONG_AGO, Peer, Roster
from speaker.announcer.ownership.timers import Timers

Boots = Callable[[], int]


@unique
class Phase(Enum):
    """What this node trusts itself to do."""

    CARRIERLESS = auto()  # owns nothing
    STARTING = auto()  # asks what there is, owns nothing
    RUNNING = auto()
    LATE = auto()  # was away: silent, asks whether it was replaced meanwhile


class Core:
    """The state of one machine. Times in seconds of one monotonic clock."""

    def __init__(self, me: str, timers: Timers, boots: Boots, now: float) -> None:
        self.me, self.id, self.timers, self.now = me, node_id(me), timers, now
        self._boots = boots
        self.roster, self.book, self.out = Roster(me), Book(), Outbox()
        self.entries: dict[Key, Announce] = {}
        self.up: frozenset[str] = frozenset()
        self.phase = Phase.CARRIERLESS
        self.boot, self.seq, self.lamport = boots(), 0, 0
        self.declines: frozenset[Unwilling] = frozenset()
        self.alone = False
        self.leaving = False  # the last word
        self.started = now
        self.late_at = LONG_AGO
        self.heard_anybody = now
        self.hushed_at = LONG_AGO  # the last verdict that may come from a silence of everybody
        self.touched: set[Key] = set()
        self.disputed: set[Key] = set()  # another claim to one of ours was heard in this step
        self.returned: set[str] = set()  # peers that were DOWN
        self.recount = False  # who is willing changed
        self.hello_at = now
        self.stops: list[Effect] = []
        self.acts: list[Effect] = []
        self.tally: Counter[tuple[str, str]] = Counter()

    # --- this node

    def new_boot(self) -> None:
        """Speak as another process from now on."""
        self.boot, self.seq = self._boots(), 0

    @property
    def flags(self) -> int:
        """The flags of what is sent now."""
        # Without candidates a node that starts cannot resume what it had: its peers need not wait for that.
        declining = self.declines or (self.phase is Phase.STARTING and not self.entries)
        return (
            (self.phase is Phase.STARTING) * Flag.STARTING
            | (self.phase is Phase.LATE) * Flag.LATE
            | bool(declining) * Flag.DECLINE
            | self.leaving * Flag.LEAVING
            | self.alone * Flag.ALONE
        )

    @property
    def may_claim(self) -> bool:
        return self.phase is Phase.RUNNING and not self.declines

    def interfaces(self, entry: Announce) -> frozenset[str]:
        """Where this node could answer for the address now."""
        return self.up if entry.interfaces is None else self.up & entry.interfaces

    def candidate(self, entry: Announce) -> bool:
        """Whether this node may own the address."""
        return self.me in entry.candidates and bool(self.interfaces(entry))

    def search(self) -> None:
        """A neighbour is not alive and well: say HELLO more often, so that two that lost each other meet soon."""
        self.hello_at = min(self.hello_at, self.now + self.timers.hello_searching)

    def ask(self, peer: Peer) -> None:
        """Ask a peer for its complete claims, at most every so often."""
        if self.now - peer.wanted >= self.timers.tell:
            peer.wanted = self.now
            self.out.greet(peer.name, want=True)

    # --- evidence

    def may_vouch(self, peer: Peer) -> bool:
        """Own and fresh evidence only: two that trust each other's word would hold the dead for alive, for ever."""
        trusted = self.phase is Phase.RUNNING and self.now - self.late_at > self.timers.vouch_after_late
        return trusted and peer.living and self.now - peer.heard < self.timers.fresh

    @property
    def unheard(self) -> bool:
        """Whether this node hears others, and they spoke for a detection time without a sign that they hear it.

        Old signs alone say nothing: whoever was cut off and meets a peer again has no other.
        """
        since = self.now - self.timers.detection
        peers = [peer for peer in self.roster.peers.values() if peer.heard > since]
        return bool(peers) and all(peer.one_way_since < since for peer in peers)

    def strength(self, *, after_death: bool) -> Strength:
        """What a claim made now is worth.

        Judged on evidence, not on verdicts: an isolated node condemns one peer after another. A verdict that fell in a
        window in which everybody was silent for a while is worth little: this node may have been cut off meanwhile.
        """
        if after_death and self.hushed_at == self.now:
            return Strength.WEAK
        within = self.timers.just_heard if after_death else self.timers.heard_lately
        return Strength(self.roster.hears_majority(self.now - within))

    # --- claims

    def held_before(self, key: Key) -> None:
        """This node had the address before it restarted: it goes first if nobody took it meanwhile."""
        if not self.book.claimants(key):
            self.book.lost[key] = Lost(self.me, Cause.RESUMED, self.now)
            self.touched.add(key)

    def owns(self, key: Key) -> bool:
        return key in self.book.of(self.me)

    def is_late(self, node: str) -> bool:
        if node == self.me:
            return self.phase is Phase.LATE
        return bool(self.roster.peers[node].flags & Flag.LATE)

    def resumes(self, node: str, key: Key) -> bool:
        """Whether the claim is one of a former process, kept so that its node may state it again."""
        return node != self.me and key in self.roster.peers[node].resuming

    def beats(self, key: Key, first: str, second: str) -> bool:
        """Whether the claim of `first` comes before that of `second`; both claim the address.

        One that was kept for a restarted node comes last: it will not state it when it hears of a living owner.
        """
        mine = not self.resumes(first, key), not self.is_late(first), self.book.of(first)[key]
        other = not self.resumes(second, key), not self.is_late(second), self.book.of(second)[key]
        return mine > other if mine != other else rank_key(first, key) < rank_key(second, key)

    def best(self, key: Key) -> str | None:
        """Who owns the address, of all that claim it."""
        chosen: str | None = None
        for node in self.book.claimants(key):
            if chosen is None or self.beats(key, node, chosen):
                chosen = node
        return chosen

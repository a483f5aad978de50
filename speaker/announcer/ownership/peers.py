"""The other members: what each said last, what proves that it lives, and whom this node watches.

    UNKNOWN --first proven message--> ALIVE --suspicion--> SUSPECT --window passes in silence--> DOWN
                                        ^------evidence or ALIVE--------+                         |
                                        +----- evidence, ALIVE or BETTER (vouched) <--------------+

A ring bounds the cost of watching: the members in the order of their ids, and everybody watches the next and previous
three that are not DOWN. Up to seven members that is everybody.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from speaker.announcer.ownership.messages import Flag, Header, Key, node_id

SIDE: Final = 3  # neighbours watched on each side of the ring
REMEMBERED_BOOTS: Final = 8
LONG_AGO: Final = float("-inf")


@unique
class State(IntEnum):
    """What this node holds a peer for."""

    UNKNOWN = 0
    ALIVE = 1
    SUSPECT = 2
    DOWN = 3


@unique
class Judgement(IntEnum):
    """What the numbers of a datagram say about it."""

    NEXT = 0
    NEW_BOOT = 1  # of a process that proves to be there now
    UNPROVEN = 2  # of a boot never seen: an answer will tell
    STALE = 3
    REPLACED = 4


@dataclass(slots=True)
class Peer:
    """One member. Times are those of this node's clock."""

    name: str
    id: int
    state: State = State.UNKNOWN
    flags: int = 0
    boot: int = 0
    seq: int = 0
    old_boots: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BOOTS))
    heard: float = LONG_AGO  # direct evidence
    both_ways: float = LONG_AGO  # evidence that it hears this node
    one_way_since: float = LONG_AGO  # heard without a pause, and no evidence that it hears this node
    spoke: float = LONG_AGO  # any accepted message
    cleared: float = LONG_AGO  # a suspicion ended
    returned: float = LONG_AGO  # met, back from the dead, or restarted: its claims are not known since
    stated: bool = False  # its claims are known as they are
    session_up: bool = False  # BFD
    left: bool = False  # it said good-bye in this boot
    resuming: set[Key] = field(default_factory=set)  # claims of its former boot, kept for a while
    next_low: Key | None = None  # how far its complete claims have come since they were asked for
    challenged: float = LONG_AGO
    corrected: float = LONG_AGO
    wanted: float = LONG_AGO
    told_all: float = LONG_AGO
    vouched: float = LONG_AGO

    @property
    def living(self) -> bool:
        """Not condemned: what it claims counts."""
        return self.state is State.ALIVE or self.state is State.SUSPECT

    @property
    def willing(self) -> bool:
        """Lives and takes addresses."""
        return self.living and not self.flags & (Flag.DECLINE | Flag.LEAVING)

    @property
    def ready(self) -> bool:
        """Would take an address at once."""
        busy = Flag.DECLINE | Flag.LEAVING | Flag.STARTING | Flag.LATE
        return self.state is State.ALIVE and not self.flags & busy

    def judge(self, header: Header, my_boot: int) -> Judgement:
        """Anti-replay. A number is taken once, and a boot counts only after it answered this one."""
        if header.boot == self.boot:
            return Judgement.NEXT if header.seq > self.seq else Judgement.STALE
        if header.boot in self.old_boots:
            return Judgement.REPLACED
        return Judgement.NEW_BOOT if header.echo_boot == my_boot else Judgement.UNPROVEN

    def accept(self, header: Header) -> None:
        """Remember the numbers of a datagram that counts."""
        if header.boot != self.boot:
            if self.boot:
                self.old_boots.append(self.boot)
            self.boot, self.left = header.boot, False
        self.seq, self.flags = header.seq, header.flags

    def forget(self, now: float) -> None:
        """It is there (again), and what it claims is to be heard first."""
        self.returned, self.stated = now, False

    def void_evidence(self) -> None:
        """It hears nobody, so it could answer nobody: what it sent proves nothing."""
        self.heard = self.both_ways = LONG_AGO


class Roster:
    """All peers, and the ring."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.peers: dict[str, Peer] = {}
        self.by_id: dict[int, Peer] = {}
        self.ring: list[Peer] = []  # the peers in ring order, beginning behind this node
        self.near: frozenset[str] = frozenset()  # the neighbours whatever their state
        self.watch: frozenset[str] = frozenset()  # the neighbours that are not DOWN
        self.former_watch: frozenset[str] = frozenset()  # before the members changed

    def set_members(self, names: Iterable[str]) -> list[Peer]:
        """The members are these now. Returns the peers that went."""
        wanted = set(names) - {self.me}
        gone = [self.peers.pop(name) for name in sorted(self.peers.keys() - wanted)]
        for name in sorted(wanted - self.peers.keys()):
            self.peers[name] = Peer(name, node_id(name))
        self.by_id = {peer.id: peer for peer in self.peers.values()}
        mine = node_id(self.me)
        self.ring = sorted(self.peers.values(), key=lambda peer: (peer.id < mine, peer.id))
        self.near = _neighbours(self.ring)
        self.former_watch = self.watch
        self.rewatch()
        return gone

    def rewatch(self) -> bool:
        """Choose whom to watch, as the states are now. Returns whether that changed."""
        before, self.watch = self.watch, _neighbours([peer for peer in self.ring if peer.state is not State.DOWN])
        return before != self.watch

    def hears_majority(self, since: float) -> bool:
        """Whether more than half of this node and its neighbours proved to hear each other with it since then."""
        heard = sum(self.peers[name].both_ways >= since for name in self.near | self.watch)
        return 2 * (1 + heard) > 1 + len(self.near)


def _neighbours(ring: list[Peer]) -> frozenset[str]:
    chosen = ring if len(ring) <= 2 * SIDE else ring[:SIDE] + ring[-SIDE:]
    return frozenset(peer.name for peer in chosen)

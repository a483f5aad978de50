"""Who claims what: this node's own claims beside those that the peers stated, and the order between two of them.

The order (best first): a claimant that is not LATE, a STRONG claim, a higher stamp, the first by sha256(node "#"
address). Everybody computes the same order from the same claims, so two owners that hear each other need no vote.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b, sha256

from speaker.announcer.ownership.codec import claim_bytes
from speaker.announcer.ownership.events import Cause
from speaker.announcer.ownership.messages import Claim, Key, address_of

_NOTHING: dict[Key, Claim] = {}


@dataclass(frozen=True, slots=True)
class Lost:
    """How the last claim to an address ended: whose it was, when, and whether its end was witnessed."""

    node: str
    cause: Cause
    at: float
    withdrawn: bool = False


@dataclass(slots=True)
class _Node:
    claims: dict[Key, Claim] = field(default_factory=dict)
    digest: int = 0


@lru_cache(maxsize=65536)
def rank_key(node: str, key: Key) -> bytes:
    """The lower, the better the node ranks for the address."""
    return sha256(f"{node}#{address_of(key)}".encode()).digest()


def _mark(key: Key, claim: Claim) -> int:
    return int.from_bytes(blake2b(claim_bytes(key, claim), digest_size=8).digest(), "big")


class Book:
    """All claims known, by node and by address. A node's digest is kept with every change: comparing costs nothing."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._claimants: dict[Key, list[str]] = {}
        self.lost: dict[Key, Lost] = {}

    def put(self, node: str, key: Key, claim: Claim) -> bool:
        """Record a claim. Returns whether it is news."""
        entry = self._nodes.get(node)
        if entry is None:
            entry = self._nodes[node] = _Node()
        before = entry.claims.get(key)
        if before == claim:
            return False
        if before is None:
            self._claimants.setdefault(key, []).append(node)
        else:
            entry.digest ^= _mark(key, before)
        entry.claims[key] = claim
        entry.digest ^= _mark(key, claim)
        return True

    def drop(self, key: Key, lost: Lost) -> bool:
        """`lost.node` claims the address no more. Returns whether it did."""
        entry = self._nodes.get(lost.node)
        claim = entry.claims.pop(key, None) if entry is not None else None
        if entry is None or claim is None:
            return False
        entry.digest ^= _mark(key, claim)
        claimants = self._claimants[key]
        claimants.remove(lost.node)
        if not claimants:
            del self._claimants[key]
        self.lost[key] = lost
        return True

    def forget(self, node: str, cause: Cause, at: float) -> list[Key]:
        """The node claims nothing any more. Returns what it claimed."""
        entry = self._nodes.get(node)
        keys = list(entry.claims) if entry is not None else []
        for key in keys:
            self.drop(key, Lost(node, cause, at))
        return keys

    def clear(self) -> None:
        """Forget everything."""
        self._nodes.clear()
        self._claimants.clear()
        self.lost.clear()

    def of(self, node: str) -> dict[Key, Claim]:
        """The claims of one node; not to be changed."""
        entry = self._nodes.get(node)
        return entry.claims if entry is not None else _NOTHING

    def summary(self, node: str) -> tuple[int, int]:
        """Number and digest of a node's claims."""
        entry = self._nodes.get(node)
        return (len(entry.claims), entry.digest) if entry is not None else (0, 0)

    def claimants(self, key: Key) -> list[str]:
        """The nodes that claim the address; not to be changed."""
        return self._claimants.get(key) or []

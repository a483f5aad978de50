"""The order in which nodes may own an address: rendezvous hashing, so that nothing but the departed node's addresses
move.

Nodes with a higher preference come first; among equals the order is that of sha256(node "#" address), which is
MetalLB's.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from lb_controller.model.address import Address


def first_of(nodes: Iterable[str], word: str) -> str | None:
    """The node that speaks for something that is no address, the same on every node that knows the same nodes."""
    return min(nodes, key=lambda node: sha256(f"{node}#{word}".encode()).digest(), default=None)


def rank(address: Address, candidates: Iterable[str], weights: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """The candidates, best first. `weights`: preference of a node, 0 when absent."""
    preference = weights or {}

    def key(node: str) -> tuple[int, bytes]:
        return -preference.get(node, 0), sha256(f"{node}#{address}".encode()).digest()

    return tuple(sorted(candidates, key=key))

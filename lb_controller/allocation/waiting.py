"""Who waits for what, so that a change wakes only those who may profit from it, older Services first.

A Service that has not all it wants waits for addresses that it asks for (by number), for any address of a family in a
pool that is used up (`Freed`), or for room on an address held under its sharing key (`Gathering`). Any change of
configuration or namespaces may help everyone who waits.
"""

from bisect import bisect_right, insort
from typing import NamedTuple

from lb_controller.model.address import Family
from lb_controller.model.cluster import ServiceKey

Rank = tuple[str, ServiceKey]  # creation time and key: the order in which Services are served


class Freed(NamedTuple):
    """An address of this family in this pool becomes free."""

    pool: str
    family: Family


class Gathering(NamedTuple):
    """A Service with this sharing key takes or leaves an address, or changes its ports."""

    key: str


Token = int | Freed | Gathering
NOTHING: frozenset[Token] = frozenset()


class Waiting:
    """The queues."""

    def __init__(self) -> None:
        self.tokens: dict[ServiceKey, frozenset[Token]] = {}
        self.queues: dict[Token, list[Rank]] = {}

    def replace(self, rank: Rank, tokens: frozenset[Token] | None) -> None:
        """The Service waits for these from now on; None: it has all it wants."""
        before = self.tokens.pop(rank[1], NOTHING)
        if tokens is not None:
            self.tokens[rank[1]] = tokens
        after = tokens or NOTHING
        for token in before - after:
            queue = self.queues[token]
            del queue[bisect_right(queue, rank) - 1]
            if not queue:
                del self.queues[token]
        for token in after - before:
            insort(self.queues.setdefault(token, []), rank)

    def all_for(self, token: Token) -> set[ServiceKey]:
        """Everyone who waits for this."""
        return {key for _, key in self.queues.get(token, ())}

    def first_for(self, token: Token, after: Rank | None = None) -> Rank | None:
        """The oldest Service (younger than `after`) that waits for this."""
        queue = self.queues.get(token, [])
        position = bisect_right(queue, after) if after is not None else 0
        return queue[position] if position < len(queue) else None

    def waits_for(self, key: ServiceKey, token: object) -> bool:
        """Whether this Service waits for this."""
        return token in self.tokens.get(key, NOTHING)

"""Which Services are decided, and in which order.

The oldest Service first; whoever may profit from what a decision let go is decided in the same call. Of those who wait
for a pool that was used up the oldest is asked, then the next while there is room: a release costs O(log n), however
many wait. It ends, because a Service that has what it wants moves no more.
"""

import heapq
from collections.abc import Iterable

from lb_controller.allocation.decision import decide
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.outcome import Outcome
from lb_controller.allocation.waiting import Freed, Rank
from lb_controller.model.cluster import ServiceKey

_ITSELF: tuple[()] = ()


def plan(ledger: Ledger, keys: Iterable[ServiceKey]) -> dict[ServiceKey, Outcome]:
    """Decide these Services, and those that changes and decisions wake, and record it; returns all outcomes decided."""
    return _Plan(ledger).run(keys)


class _Plan:
    """One call: `queue` holds who is to be decided, and why: itself, or as the next in a queue of those who wait."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.queue: list[tuple[Rank, Freed | tuple[()]]] = []
        self.pending: set[ServiceKey] = set()

    def run(self, keys: Iterable[ServiceKey]) -> dict[ServiceKey, Outcome]:
        ledger, entries, queue, pending = self.ledger, self.ledger.entries, self.queue, self.pending
        outcomes: dict[ServiceKey, Outcome] = {}
        self._add(keys)
        self._hear()
        while queue:
            rank, cause = heapq.heappop(queue)
            key = rank[1]
            entry = entries[key]
            if key in pending:
                pending.discard(key)
            elif cause == _ITSELF or not ledger.waiting.waits_for(key, cause):
                self._go_on(cause, rank)
                continue
            outcomes[key] = decide(ledger, entry)
            if ledger.holdings.news:
                self._hear()
            self._go_on(cause, rank)
        return outcomes

    def _add(self, keys: Iterable[ServiceKey]) -> None:
        entries, pending = self.ledger.entries, self.pending
        fresh = [entries[key].rank for key in keys if key in entries and key not in pending]
        pending.update(rank[1] for rank in fresh)
        if not self.queue:
            self.queue.extend((rank, _ITSELF) for rank in sorted(fresh))  # a sorted list is a heap
            return
        for rank in fresh:
            heapq.heappush(self.queue, (rank, _ITSELF))

    def _hear(self) -> None:
        woken, freed = self.ledger.take_news()
        self._add(woken)
        for token in freed:
            self._push_waiter(token, None)

    def _go_on(self, cause: Freed | tuple[()], rank: Rank) -> None:
        """Ask the next who waits for the same, while there is room."""
        if isinstance(cause, Freed) and self.ledger.holdings.has_room(cause):
            self._push_waiter(cause, rank)

    def _push_waiter(self, token: Freed, after: Rank | None) -> None:
        rank = self.ledger.waiting.first_for(token, after)
        if rank is not None:
            heapq.heappush(self.queue, (rank, token))

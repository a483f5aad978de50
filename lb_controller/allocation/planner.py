"""Which Services are decided, and in which order.

The oldest Service first; whoever may profit from what a decision let go is decided in the same call. Of those who wait
for a pool that was used up the oldest is asked, then the next while there is room: a release costs O(log n), however
many wait. It ends, because a Service that has what it wants moves no more.
"""

import heapq
from collections.abc import Iterable
from operator import attrgetter

from lb_controller.allocation.decision import decide
from lb_controller.allocation.ledger import Entry, Ledger
from lb_controller.allocation.outcome import Outcome
from lb_controller.allocation.waiting import Freed, Rank
from lb_controller.model.cluster import ServiceKey

Cause = Freed | tuple[()]
_ITSELF: tuple[()] = ()
_rank = attrgetter("rank")


def plan(ledger: Ledger, keys: Iterable[ServiceKey]) -> dict[ServiceKey, Outcome]:
    """Decide these Services, and those that changes and decisions wake, and record it; returns all outcomes decided."""
    return _Plan(ledger).run(keys)


class _Plan:
    """One call: `batch` (youngest first) and `queue` hold who is to be decided, the latter with the cause.

    The cause is that the Service itself may profit, or that it is the next in a queue of those who wait.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.batch: list[Entry] = []
        self.queue: list[tuple[Rank, Cause]] = []

    def run(self, keys: Iterable[ServiceKey]) -> dict[ServiceKey, Outcome]:
        ledger, news = self.ledger, self.ledger.holdings.news
        outcomes: dict[ServiceKey, Outcome] = {}
        self._begin(keys)
        while self.batch or self.queue:
            entry, cause = self._next()
            key = entry.service.key
            if entry.queued or (cause and ledger.waiting.waits_for(key, cause)):
                entry.queued = False
                outcomes[key] = decide(ledger, entry)
                if news:
                    self._hear()
            if cause:
                self._go_on(cause, entry.rank)
        return outcomes

    def _begin(self, keys: Iterable[ServiceKey]) -> None:
        woken, freed = self.ledger.take_news()
        entries = self.ledger.entries
        for key in woken.union(keys) if woken else keys:
            if (entry := entries.get(key)) is not None and not entry.queued:
                entry.queued = True
                self.batch.append(entry)
        self.batch.sort(key=_rank, reverse=True)
        for token in freed:
            self._push_waiter(token, None)

    def _next(self) -> tuple[Entry, Cause]:
        batch, queue = self.batch, self.queue
        if not queue or (batch and batch[-1].rank <= queue[0][0]):
            return batch.pop(), _ITSELF
        rank, cause = heapq.heappop(queue)
        return self.ledger.entries[rank[1]], cause

    def _add(self, keys: Iterable[ServiceKey]) -> None:
        for key in keys:
            entry = self.ledger.entries[key]
            if not entry.queued:
                entry.queued = True
                heapq.heappush(self.queue, (entry.rank, _ITSELF))

    def _hear(self) -> None:
        woken, freed = self.ledger.take_news()
        self._add(woken)
        for token in freed:
            self._push_waiter(token, None)

    def _go_on(self, cause: Freed, rank: Rank) -> None:
        """Ask the next who waits for the same, while there is room."""
        if self.ledger.holdings.has_room(cause):
            self._push_waiter(cause, rank)

    def _push_waiter(self, token: Freed, after: Rank | None) -> None:
        rank = self.ledger.waiting.first_for(token, after)
        if rank is not None:
            heapq.heappush(self.queue, (rank, token))

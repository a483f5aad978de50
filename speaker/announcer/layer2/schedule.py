"""When gratuitous frames are sent: at once and every 1.1 s for 5 s after an address was taken over, then a slow
refresh.

The rate is bounded (frames a second), so that a node that takes thousands of addresses at once does not flood the link;
the addresses requested last go first, because the earlier ones had their first frame already. Time is an argument
(seconds).
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

BURST_INTERVAL = 1.1
BURST_TIMES = 5  # at 0, 1.1, 2.2, 3.3 and 4.4 s
AT_ONCE = 100  # keys: between two such parts others have their turn, and questions their answers
ROUNDING = 1e-6  # keys: at the deadline that was given one may be sent, whatever the floats say
K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Which keys are due; `refresh` in seconds (0: never), `rate` in keys a second."""

    def __init__(self, refresh: float, rate: float) -> None:
        self.refresh, self.rate = refresh, rate
        self._due: dict[K, tuple[int, int]] = {}  # its valid entry in a heap, and how many of the burst are left
        self._later: list[tuple[float, int, K]] = []  # by time
        self._ready: list[tuple[int, K]] = []  # the latest request first, so the orders are negative
        self._order = 0
        self._allowance, self._counted_at = rate, 0.0

    def start(self, key: K, now: float) -> None:
        """The key was taken over now."""
        self._plan(key, now, BURST_TIMES - 1)

    def stop(self, key: K) -> None:
        self._due.pop(key, None)

    @property
    def deadline(self) -> float | None:
        """When to ask `due` again."""
        self._clean()
        if not self._ready and not self._later:
            return None
        refilled = self._counted_at + max(0.0, 1.0 - self._allowance) / self.rate
        return refilled if self._ready else max(self._later[0][0], refilled)

    def due(self, now: float) -> list[K]:
        """The keys to send for now, within the rate and at most AT_ONCE, the most recently requested first."""
        self._allowance = min(self.rate, self._allowance + (now - self._counted_at) * self.rate)
        self._counted_at = now
        while self._later and self._later[0][0] <= now:
            _, order, key = heapq.heappop(self._later)
            heapq.heappush(self._ready, (-order, key))
        room = int(min(self._allowance + ROUNDING, AT_ONCE))
        found: list[K] = []
        while self._ready and len(found) < room:
            order, key = heapq.heappop(self._ready)
            if self._stands(-order, key):
                found.append(key)
        self._allowance -= len(found)
        for key in found:
            self._next(key, now)
        return found

    def _next(self, key: K, now: float) -> None:
        left = self._due[key][1]
        if left > 0:
            self._plan(key, now + BURST_INTERVAL, left - 1)
        elif self.refresh > 0:
            self._plan(key, now + self.refresh, 0)
        else:
            self.stop(key)

    def _plan(self, key: K, when: float, left: int) -> None:
        self._order += 1
        self._due[key] = (self._order, left)
        heapq.heappush(self._later, (when, self._order, key))

    def _stands(self, order: int, key: K) -> bool:
        """Whether the key was neither stopped nor planned anew since this entry."""
        return self._due.get(key, (0,))[0] == order

    def _clean(self) -> None:
        """Drop entries at the top that do not stand any more."""
        while self._later and not self._stands(*self._later[0][1:]):
            heapq.heappop(self._later)
        while self._ready and not self._stands(-self._ready[0][0], self._ready[0][1]):
            heapq.heappop(self._ready)

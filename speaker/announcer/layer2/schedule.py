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
        self._due: dict[K, tuple[int, int]] = {}  # its valid entry in the heap, and how many of the burst are left
        self._heap: list[tuple[float, int, K]] = []
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
        if not self._heap:
            return None
        ready = self._counted_at + max(0.0, 1.0 - self._allowance) / self.rate
        return max(self._heap[0][0], ready)

    def due(self, now: float) -> list[K]:
        """The keys to send for now, within the rate and at most AT_ONCE, the most recently requested first."""
        self._allowance = min(self.rate, self._allowance + (now - self._counted_at) * self.rate)
        self._counted_at = now
        ready: list[tuple[int, K]] = []
        self._clean()
        while self._heap and self._heap[0][0] <= now:
            _, order, key = heapq.heappop(self._heap)
            ready.append((order, key))
            self._clean()
        ready.sort(reverse=True, key=lambda entry: entry[0])
        take = int(min(len(ready), self._allowance + ROUNDING, AT_ONCE))
        self._allowance -= take
        for order, key in ready[take:]:
            heapq.heappush(self._heap, (now, order, key))
        for _, key in ready[:take]:
            self._next(key, now)
        return [key for _, key in ready[:take]]

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
        heapq.heappush(self._heap, (when, self._order, key))

    def _clean(self) -> None:
        """Drop entries of keys that were stopped or planned anew."""
        while self._heap and self._due.get(self._heap[0][2], (0,))[0] != self._heap[0][1]:
            heapq.heappop(self._heap)

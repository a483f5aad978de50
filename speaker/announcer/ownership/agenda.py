"""What is due when: at most one time per key, and the next time at hand whatever the number of keys."""

import heapq
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
NEVER = float("inf")


class Agenda(Generic[K]):
    """Keys and their times (seconds). Planning a key again replaces its time."""

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()

    def plan(self, key: K, at: float) -> None:
        """Remember the key for `at`, instead of what was planned for it."""
        if self._at.get(key) != at:
            self._at[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def cancel(self, key: K) -> None:
        """Forget the key."""
        self._at.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._at.clear()
        self._heap.clear()

    @property
    def deadline(self) -> float:
        """The earliest time of any key, NEVER when there is none."""
        heap = self._heap
        while heap and self._at.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else NEVER

    def due(self, now: float) -> list[K]:
        """Take out the keys whose time has come, in the order of their times."""
        keys: list[K] = []
        while self.deadline <= now:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            keys.append(key)
        return keys

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def __len__(self) -> int:
        return len(self._at)

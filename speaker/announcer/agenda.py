"""What is due when: at most one time per key, and the next time at hand whatever the number of keys."""

import heapq
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
NEVER = float("inf")


class Agenda(Generic[K]):
    """Keys and their times (seconds). Planning a key again replaces its time.

    `deadline`: the earliest time of any key, NEVER when there is none. It is read at every wake-up, so it is kept.
    """

    def __init__(self) -> None:
        self.deadline = NEVER
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()

    def plan(self, key: K, at: float) -> None:
        """Remember the key for `at`, instead of what was planned for it."""
        before = self._at.get(key)
        if before == at:
            return
        self._at[key] = at
        heapq.heappush(self._heap, (at, next(self._order), key))
        if before is not None and before == self.deadline:
            self._look()
        elif at < self.deadline:
            self.deadline = at

    def cancel(self, key: K) -> None:
        """Forget the key."""
        if self._at.pop(key, None) == self.deadline:
            self._look()

    def clear(self) -> None:
        """Forget everything."""
        self._at.clear()
        self._heap.clear()
        self.deadline = NEVER

    def _look(self) -> None:
        """What was due first may be gone: the heap keeps what was replaced until it comes up."""
        heap = self._heap
        while heap and self._at.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        self.deadline = heap[0][0] if heap else NEVER

    def due(self, now: float) -> list[K]:
        """Take out the keys whose time has come, in the order of their times."""
        keys: list[K] = []
        while self.deadline <= now:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            keys.append(key)
            self._look()
        return keys

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def __len__(self) -> int:
        return len(self._at)

"""Whose deadline comes next, for any number of sessions.

A heap that is mended late: a deadline that moves away, as every received packet makes it, costs nothing until the old
one comes; only one that moves nearer is entered anew.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Agenda(Generic[K]):
    """Keys and when each wants to be looked at."""

    def __init__(self) -> None:
        self._entered: dict[K, tuple[float, int]] = {}  # the valid entry of each key
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0

    def plan(self, key: K, at: float | None) -> None:
        """The key's deadline is `at` (seconds; None: it has none). It may come too early, and never too late."""
        entered = self._entered.get(key)
        if at is None or (entered is not None and entered[0] <= at):
            return
        self._order += 1
        self._entered[key] = (at, self._order)
        heapq.heappush(self._heap, (at, self._order, key))

    def drop(self, key: K) -> None:
        self._entered.pop(key, None)

    @property
    def first(self) -> float | None:
        """When `due` has something to give."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[K]:
        """The keys whose time has come, each once; they are to be planned again."""
        found: list[K] = []
        while (first := self.first) is not None and first <= now:
            key = heapq.heappop(self._heap)[2]
            del self._entered[key]
            found.append(key)
        return found

    def _clean(self) -> None:
        """Drop entries of keys that went or were entered anew."""
        while self._heap and self._entered.get(self._heap[0][2], (0.0, 0))[1] != self._heap[0][1]:
            heapq.heappop(self._heap)

"""Work in slices: a change that concerns 10,000 Services must not keep one new Service waiting. Pure.

What came since the last slice goes first, unless it is more than a slice: then everything is ordered anew, by urgency.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Backlog(Generic[K]):
    """Keys to look at, each once; `urgency` sorts them where they are many, least first."""

    def __init__(self, size: int, urgency: Callable[[K], Any]) -> None:
        self._size, self._urgency = size, urgency
        self._fresh: set[K] = set()
        self._rest: deque[K] = deque()
        self._waiting: set[K] = set()

    def add(self, keys: Iterable[K]) -> None:
        """Look at these as well."""
        for key in keys:
            if key not in self._waiting:
                self._waiting.add(key)
                self._fresh.add(key)

    def take(self) -> set[K]:
        """The next slice: at most twice `size`."""
        if len(self._fresh) > self._size:
            self._rest = deque(sorted(self._waiting, key=self._urgency))
            self._fresh.clear()
        taken, self._fresh = self._fresh, set()
        while self._rest and len(taken) < self._size:
            taken.add(self._rest.popleft())
        self._waiting -= taken
        return taken

    def clear(self) -> None:
        self._fresh.clear()
        self._rest.clear()
        self._waiting.clear()

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

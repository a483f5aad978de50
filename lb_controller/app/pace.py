"""A limit on writes to one object: whoever changes it back each time costs the API server a trickle, not a flood. Pure.

Each object may be written `burst` times at once and then once every `seconds`.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Pace(Generic[K]):
    """Counts writes by key; `now` is in seconds of any clock that runs forward."""

    def __init__(self, *, burst: int = 10, seconds: float = 3.0) -> None:
        self.burst, self._seconds = burst, seconds
        self._spent: dict[K, tuple[float, float]] = {}

    def wait(self, key: K, now: float) -> float:
        """Seconds until `key` may be written; 0 for at once."""
        return max(0.0, (self._debt(key, now) - (self.burst - 1)) * self._seconds)

    def spend(self, key: K, now: float) -> None:
        """`key` was written."""
        self._spent[key] = (self._debt(key, now) + 1, now)

    def _debt(self, key: K, now: float) -> float:
        spent, at = self._spent.get(key, (0.0, now))
        return max(0.0, spent - (now - at) / self._seconds)

    def forget_idle(self, now: float) -> None:
        """Drop keys whose writes are long paid off."""
        limit = self.burst * self._seconds
        self._spent = {key: (spent, at) for key, (spent, at) in self._spent.items() if now - at < limit}

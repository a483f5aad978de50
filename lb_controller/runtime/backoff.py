"""Waiting longer after each failure, with jitter, so that many clients do not come back at the same moment.

The wait after the n-th failure in a row is drawn from the upper half of `first * factor**n`, at most `most` seconds.
Randomness is an argument: `random()` gives a number in [0, 1).
"""

from collections.abc import Callable


class Backoff:
    """Waits in seconds; `reset` after a success."""

    def __init__(
        self, random: Callable[[], float], *, first: float = 0.5, most: float = 30.0, factor: float = 2.0
    ) -> None:
        self._random = random
        self._first, self._most, self._factor = first, most, factor
        self.failures = 0

    def next(self) -> float:
        """The wait after one more failure, in seconds."""
        # The exponent is bounded: factor**1000 overflows after a long outage.
        whole = min(self._most, self._first * self._factor ** min(self.failures, 32))
        self.failures += 1
        return whole * (0.5 + self._random() / 2)

    def reset(self) -> None:
        """A success: the next failure waits `first` again."""
        self.failures = 0

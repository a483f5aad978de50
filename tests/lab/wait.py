"""Waiting for a condition with a deadline: the only way in which tests and lab wait."""

import time
from collections.abc import Callable


class NotWithin(AssertionError):
    """The condition did not hold in time."""


def eventually(condition: Callable[[], bool], *, within: float, what: str, every: float = 0.1) -> float:
    """Ask `condition` every `every` seconds until it holds; returns the seconds it took. Raises NotWithin."""
    begin = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - begin
        if time.monotonic() - begin > within:
            raise NotWithin(f"not within {within:g} s: {what}")
        time.sleep(every)

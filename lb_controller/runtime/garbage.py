"""Garbage collection in a process that holds a large picture of the cluster for ever.

CPython's full collection looks at every object each time: the modules alone stop the event loop for 30 ms, 10,000
Services for a tenth of a second, and it finds nothing. What is there once the cluster is read is set aside
(`gc.freeze`); it is freed by reference counts as before, but for cycles. What read the cluster may still be at work
then, with a hundred megabytes for 10,000 Services; so a minute later everything is looked at once more, and the memory
is given back to the system.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable

_EVERY_SECONDS = 5.0
_GROWTH = 1.25
_LEAST = 500
_LOOKS_UNTIL_AGAIN = 12


class LongLived:
    """Sets long-lived objects aside: at the start, and while nothing happens, when the picture has grown much.

    `size` counts what makes it large.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._seen = 0
        self._enough = 0.0
        self._until_again = _LOOKS_UNTIL_AGAIN

    async def run(self) -> None:
        """Set aside what was loaded, then look for ever."""
        self._set_aside()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.look()

    def look(self) -> bool:
        """Whether now was the moment: the picture has grown by a quarter, and did not change since the last look.

        A second moment comes a minute after each.
        """
        before, self._seen = self._seen, self._size()
        if self._seen != before:
            return False
        self._until_again -= 1
        if self._seen >= self._enough:
            self._until_again = _LOOKS_UNTIL_AGAIN
        elif self._until_again != 0:
            return False
        self._set_aside()
        return True

    def _set_aside(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        _give_back()
        self._enough = _GROWTH * self._seen + _LEAST


def _give_back() -> None:
    """Pages that glibc holds free; another C library has no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

"""Garbage collection in a process that holds a large picture of the cluster for ever.

CPython's full collection looks at every object each time: the modules alone stop the event loop for 30 ms, 10,000
Services for a tenth of a second, and it finds nothing. What is there once the cluster is read is set aside
(`gc.freeze`); it is freed by reference counts as before.
"""

import asyncio
import gc
from collections.abc import Callable

_EVERY_SECONDS = 5.0
_GROWTH = 1.25
_LEAST = 500


class LongLived:
    """Sets long-lived objects aside: at the start, and while nothing happens, when the picture has grown much.

    `size` counts what makes it large.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._seen = 0
        self._enough = 0.0

    async def run(self) -> None:
        """Set aside what was loaded, then look for ever."""
        self._set_aside()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.look()

    def look(self) -> bool:
        """Whether now was the moment: the picture has grown by a quarter, and did not change since the last look."""
        before, self._seen = self._seen, self._size()
        if self._seen != before or self._seen < self._enough:
            return False
        self._set_aside()
        return True

    def _set_aside(self) -> None:
        gc.collect()
        gc.freeze()
        self._enough = _GROWTH * self._seen + _LEAST

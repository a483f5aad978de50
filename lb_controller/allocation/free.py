"""The lowest free address of a pool, without enumerating it: a /8 or an IPv6 /64 costs the same as a /24.

Per range there is a cursor, below which every address is or was taken, and a heap of those released since. Both are
cleaned when they are looked at, so that each address taken is passed over once: amortised O(log n) for each one taken
or released. Addresses are numbers here (`numbers`).
"""

import heapq
from bisect import bisect_right
from collections.abc import Set as AbstractSet

from lb_controller.allocation.numbers import V6, number_of
from lb_controller.model.address import AddressRange, Family
from lb_controller.model.config import Pool


class _FreeRange:
    """Free addresses of one range; `held` and `blocked` are sets that others keep."""

    __slots__ = ("_avoid_buggy", "_blocked", "_cursor", "_end", "_held", "_queued", "_released")

    def __init__(
        self, part: AddressRange, held: AbstractSet[int], blocked: AbstractSet[int], *, avoid_buggy: bool
    ) -> None:
        self._cursor, self._end = number_of(part.first), number_of(part.last)
        self._held, self._blocked = held, blocked
        self._avoid_buggy = avoid_buggy and part.family is Family.IPV4
        self._released: list[int] = []
        self._queued: set[int] = set()

    def lowest(self) -> int | None:
        released = self._released
        while released:
            if released[0] not in self._held and released[0] not in self._blocked:
                return released[0]
            self._queued.discard(heapq.heappop(released))
        held, blocked, cursor, end = self._held, self._blocked, self._cursor, self._end
        while cursor <= end:
            if cursor not in held and cursor not in blocked and not self._buggy(cursor):
                self._cursor = cursor
                return cursor
            cursor += 1
        self._cursor = cursor
        return None

    def release(self, number: int) -> None:
        if number < self._cursor and number not in self._queued and not self._buggy(number):
            self._queued.add(number)
            heapq.heappush(self._released, number)

    def _buggy(self, number: int) -> bool:
        return self._avoid_buggy and number & 0xFF in (0, 0xFF)


class _FreeFamily:
    """The ranges of one family, in written order; those before `first` are full."""

    __slots__ = ("_first", "_ranges", "_sorted", "_starts", "held")

    def __init__(self, pool: Pool, family: Family, blocked: AbstractSet[int]) -> None:
        parts = [part for part in pool.ranges if part.family is family]
        self.held: set[int] = set()
        self._ranges = [_FreeRange(part, self.held, blocked, avoid_buggy=pool.avoid_buggy_ips) for part in parts]
        self._first = 0
        self._sorted = sorted((number_of(part.first), position) for position, part in enumerate(parts))
        self._starts = [start for start, _ in self._sorted]

    def lowest(self) -> int | None:
        while self._first < len(self._ranges):
            if (number := self._ranges[self._first].lowest()) is not None:
                return number
            self._first += 1
        return None

    def release(self, number: int) -> None:
        position = self._sorted[bisect_right(self._starts, number) - 1][1]
        self._ranges[position].release(number)
        self._first = min(self._first, position)


class FreeAddresses:
    """The addresses of one pool: those held, and the lowest that is neither held nor in `blocked` (kept by others)."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, pool: Pool, blocked: AbstractSet[int]) -> None:
        self._v4, self._v6 = (_FreeFamily(pool, family, blocked) for family in (Family.IPV4, Family.IPV6))

    def lowest(self, family: Family) -> int | None:
        """The lowest free address of the first range, in written order, that has one."""
        return (self._v4 if family is Family.IPV4 else self._v6).lowest()

    def take(self, number: int) -> None:
        """Somebody holds the address, which is one of the pool's."""
        (self._v4 if number < V6 else self._v6).held.add(number)

    def release(self, number: int) -> None:
        """Nobody holds the address any more, or it is blocked no more."""
        part = self._v4 if number < V6 else self._v6
        part.held.discard(number)
        part.release(number)

    def held(self) -> set[int]:
        """All addresses that are held."""
        return self._v4.held | self._v6.held

    def count(self, family: Family) -> int:
        """How many of them are of this family."""
        return len((self._v4 if family is Family.IPV4 else self._v6).held)

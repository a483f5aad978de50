"""The addresses that are held under each sharing key, and where to begin to look for one that a Service may join.

A thousand Services with one key and one port have a thousand addresses, and none of them is any good for the next. So
there are floors: below the floor of a port no address of the key is good for anyone (of that `Kind`) who has the port.
A floor sinks when something happens to an address below it; it may be too low, never too high.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from lb_controller.allocation.sharing import Backend
from lb_controller.model.cluster import Port

_FLOORS_AT_MOST = 256  # of each key; beyond that all are forgotten


class Kind(NamedTuple):
    """Those for whom the same addresses are good, but for their ports; `version` is that of the wanted address."""

    key: str
    backend: Backend | None
    namespace: str
    pool: str
    version: int


class _Key:
    """The addresses of one key, ascending, and the floors."""

    __slots__ = ("floors", "numbers")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.floors: dict[tuple[Kind, Port], int] = {}

    def raise_floors(self, kind: Kind, ports: Iterable[Port], number: int) -> None:
        for port in ports:
            if len(self.floors) >= _FLOORS_AT_MOST and (kind, port) not in self.floors:
                self.floors.clear()
            self.floors[kind, port] = number


class GatheringPlaces:
    """All sharing keys that are in use."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def add(self, key: str, number: int) -> None:
        """The address is held under this key (too)."""
        found = self._keys.setdefault(key, _Key())
        position = bisect_left(found.numbers, number)
        if position == len(found.numbers) or found.numbers[position] != number:
            found.numbers.insert(position, number)
            self.changed(key, number)

    def remove(self, key: str, number: int) -> None:
        """Nobody holds the address under this key any more."""
        found = self._keys[key]
        del found.numbers[bisect_left(found.numbers, number)]
        if not found.numbers:
            del self._keys[key]

    def changed(self, key: str, number: int) -> None:
        """An address may be good for others of this key than before."""
        if (found := self._keys.get(key)) is not None:
            for kind, floor in found.floors.items():
                if number < floor:
                    found.floors[kind] = number

    def forget_floors(self) -> None:
        """All may be different now."""
        for found in self._keys.values():
            found.floors.clear()

    def lowest(self, kind: Kind, ports: Collection[Port], bad: Callable[[int], AbstractSet[Port] | None]) -> int | None:
        """The lowest good address. `bad` says for which of the ports an address is no good; None: it is good."""
        found = self._keys.get(kind.key)
        if found is None:
            return None
        floors = {port: found.floors.get((kind, port), 0) for port in ports}
        start = max(floors.values(), default=0)
        rising = {port for port, floor in floors.items() if floor == start}
        for number in found.numbers[bisect_left(found.numbers, start) :]:
            not_for = bad(number)
            if not_for is None:
                found.raise_floors(kind, rising, number)
                return number
            if not rising <= not_for:
                found.raise_floors(kind, rising - not_for, number)
                rising &= not_for
        found.raise_floors(kind, rising, found.numbers[-1] + 1)
        return None

"""Whose write must wait for whose: an address is given on only when the status of who had it shows it no more. Pure.

A move and the gift of the address that it frees are decided together and are two writes. If the second arrived first,
or alone because the controller died, two Services would have one address.
"""

from collections.abc import Callable, Iterable

from lb_controller.model.address import Address
from lb_controller.model.cluster import ServiceKey


class Turns:
    """What every Service's status shows, and who waits for whom."""

    def __init__(self) -> None:
        self._shown: dict[ServiceKey, tuple[Address, ...]] = {}
        self._by: dict[Address, set[ServiceKey]] = {}
        self._ahead: dict[ServiceKey, ServiceKey] = {}
        self._behind: dict[ServiceKey, set[ServiceKey]] = {}

    def show(self, key: ServiceKey, addresses: tuple[Address, ...]) -> set[ServiceKey]:
        """The status of the Service shows these; returns who waited for news of it."""
        before = self._shown.pop(key, ())
        if before != addresses:
            for address in before:
                keys = self._by[address]
                keys.discard(key)
                if not keys:
                    del self._by[address]
            for address in addresses:
                self._by.setdefault(address, set()).add(key)
        if addresses:
            self._shown[key] = addresses
        return self._behind.pop(key, set())

    def must_wait(
        self, key: ServiceKey, addresses: Iterable[Address], may_keep: Callable[[ServiceKey, Address], bool]
    ) -> bool:
        """Whether one of the addresses is still shown by another Service that is to leave it (not `may_keep`)."""
        self._ahead.pop(key, None)
        for address in addresses:
            for other in sorted(self._by.get(address, ())):
                if other == key or may_keep(other, address) or self._waits_for(other, key):
                    continue
                self._ahead[key] = other
                self._behind.setdefault(other, set()).add(key)
                return True
        return False

    def _waits_for(self, one: ServiceKey, other: ServiceKey) -> bool:
        """Whether the one waits for the other, at whatever remove: in a ring somebody has to go first."""
        seen = set()
        while one in self._ahead and one not in seen:
            seen.add(one)
            one = self._ahead[one]
            if one == other:
                return True
        return False

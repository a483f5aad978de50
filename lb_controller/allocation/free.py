"""The lowest free address of a pool, without enumerating it: a /8 or an IPv6 /64 costs the same as a /24.

Per range there is a cursor, below which every address is or was held, and a heap of those released since. Both are
cleaned when they are looked at, so that each address held is passed over once: amortised O(log n) for each one given or
released.
"""

import heapq
from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address

from lb_controller.model.address import Address, AddressRange, Family
from lb_controller.model.config import Pool


class _FreeRange:
    """Free addresses of one range, as integers."""

    def __init__(self, part: AddressRange, *, avoid_buggy: bool) -> None:
        self.kind = IPv4Address if part.family is Family.IPV4 else IPv6Address
        self.part = part
        self.cursor, self.end = int(part.first), int(part.last)
        self.avoid_buggy = avoid_buggy and part.family is Family.IPV4
        self.released: list[int] = []

    def lowest(self, held: Container[Address]) -> Address | None:
        while self.released:
            address = self.kind(self.released[0])
            if address not in held:
                return address
            heapq.heappop(self.released)
        while self.cursor <= self.end:
            if not (self.avoid_buggy and self.cursor & 0xFF in (0, 0xFF)):
                address = self.kind(self.cursor)
                if address not in held:
                    return address
            self.cursor += 1
        return None

    def release(self, address: Address) -> None:
        number = int(address)
        if number < self.cursor and not (self.avoid_buggy and number & 0xFF in (0, 0xFF)):
            heapq.heappush(self.released, number)


class FreeAddresses:
    """Free addresses of one pool; `held` tells at each look which addresses are taken."""

    def __init__(self, pool: Pool) -> None:
        self._ranges = [_FreeRange(part, avoid_buggy=pool.avoid_buggy_ips) for part in pool.ranges]

    def lowest(self, family: Family, held: Container[Address]) -> Address | None:
        """The first free address of the first range, in written order, that has one."""
        for found in self._ranges:
            if found.part.family is family and (address := found.lowest(held)) is not None:
                return address
        return None

    def release(self, address: Address) -> None:
        """The address is free again."""
        for found in self._ranges:
            if address in found.part:
                found.release(address)

"""Addresses that a foreign host answers for, as the speakers say in the condition heraldlb.io/Announced. Pure.

A Service that did not ask for just that address is given another one, and then no condition speaks of it any more: so
the address is remembered for SECONDS. After that it may be given again, and the speakers ask the link before they
announce it: that is the second look, and it costs nothing while nobody needs the address.
"""

from collections.abc import Iterable
from typing import Final

from lb_controller.model import names
from lb_controller.model.address import Address
from lb_controller.model.cluster import Service
from lb_controller.model.reasons import OmissionReason

SECONDS: Final = 600.0


class Quarantine:
    """The addresses, each with the time at which it may be given again; times in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._until: dict[Address, float] = {}

    @property
    def addresses(self) -> frozenset[Address]:
        return frozenset(self._until)

    def note(self, service: Service, now: float) -> bool:
        """What a Service says of its addresses; returns whether `addresses` changed."""
        before = self.addresses
        for address in service.ingress:
            if _says_conflict(service, address):
                self._until[address] = now + SECONDS
            elif _says_announced(service, address):
                self._until.pop(address, None)
        return self.addresses != before

    def expire(self, now: float, services: Iterable[Service]) -> bool:
        """Let go what nobody of these has spoken of for long; returns whether `addresses` changed."""
        due = {address for address, until in self._until.items() if until <= now}
        if not due:
            return False
        for service in services:
            for address in due.intersection(service.ingress):
                if _says_conflict(service, address):
                    self._until[address] = now + SECONDS
        gone = [address for address in due if self._until[address] <= now]
        for address in gone:
            del self._until[address]
        return bool(gone)


def _says_conflict(service: Service, address: Address) -> bool:
    """Whether the Service's condition says that a foreign host has the address."""
    told = service.condition(names.CONDITION_ANNOUNCED)
    if told is None or told.reason != OmissionReason.ADDRESS_CONFLICT.value:
        return False
    return f"{address} is not announced" in told.message


def _says_announced(service: Service, address: Address) -> bool:
    told = service.condition(names.CONDITION_ANNOUNCED)
    return told is not None and told.status == "True" and f"{address} is announced" in told.message

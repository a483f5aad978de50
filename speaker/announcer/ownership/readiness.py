"""Who owns an address, as this node sees it. Sans-IO: events go in with the time, effects come out.

Theory of operation. The speaker ranks: for each address it names the nodes that may own it, best first, from
Kubernetes' facts (readiness, endpoints, labels). This machine elects: the owner is the first of the list that is alive.
Today a node is alive when the speaker lists it, so the first of the list owns; liveness on the wire (BFD and claims
between the announcers) enters here as further events, without a change for those who use the machine.

    absent --listed, first--> OWNED --not first any more, withdrawn, no carrier--> absent

An address is owned only while at least one of its interfaces has carrier: a node that cannot be heard must not believe
that it answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lb_controller.model.address import Address


@dataclass(frozen=True, slots=True)
class Announce:
    """The speaker's word on one address: who may own it, best first, and on which interfaces (None: all)."""

    address: Address
    candidates: tuple[str, ...]
    interfaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The address is not to be announced any more."""

    address: Address


@dataclass(frozen=True, slots=True)
class Carrier:
    """The interfaces that are up and have carrier now; everything else is down."""

    interfaces: frozenset[str]


Event = Announce | Withdraw | Carrier


@dataclass(frozen=True, slots=True)
class Own:
    """Answer for the address from now on, on these interfaces, and tell the link."""

    address: Address
    interfaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class Release:
    """Stop answering for the address at once."""

    address: Address


Effect = Own | Release


class Machine:
    """The ownership of all addresses on node `me`. `deadline` is when `step` wants to be called at the latest."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.deadline: float | None = None
        self.owned: dict[Address, frozenset[str]] = {}
        self._announced: dict[Address, Announce] = {}
        self._up: frozenset[str] = frozenset()

    def step(self, event: Event, now: float) -> tuple[Effect, ...]:
        """Take one event at the time `now` (seconds, monotonic)."""
        del now  # no timer yet: liveness on the wire will need it
        match event:
            case Announce(address):
                self._announced[address] = event
                return self._settle([address])
            case Withdraw(address):
                self._announced.pop(address, None)
                return self._settle([address])
            case Carrier(interfaces):
                self._up = interfaces
                return self._settle(list(self._announced))

    @property
    def announced(self) -> frozenset[Address]:
        """All addresses that the speaker spoke of."""
        return frozenset(self._announced)

    def _settle(self, addresses: Iterable[Address]) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        for address in addresses:
            wanted = self._wanted(address)
            had = self.owned.get(address)
            if wanted == had:
                continue
            if wanted is None:
                del self.owned[address]
                effects.append(Release(address))
            else:
                self.owned[address] = wanted
                effects.append(Own(address, wanted))
        return tuple(effects)

    def _wanted(self, address: Address) -> frozenset[str] | None:
        """The interfaces on which this node should answer, None when it should not."""
        announced = self._announced.get(address)
        if announced is None or announced.candidates[:1] != (self.me,):
            return None
        chosen = self._up if announced.interfaces is None else self._up & announced.interfaces
        return chosen or None

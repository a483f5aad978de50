"""Who may use one address together: Services with one sharing key, different ports, and backends that go together.

Backends go together when all have externalTrafficPolicy Cluster, or all have Local and the same selector: with Local
the node that owns the address must have pods of each of them. A pool's sharingScope says whether a key lets Services of
other namespaces in; it is asked when a Service joins, never of those that are there: an edited pool moves nobody.

A Service *claims* what its status says, or what it held when its own terms changed; it is a *tenant* once it was found
to go together with the tenants. So whoever changed is who must fit, and the others are never disturbed.

After a time without a controller nobody remembers the tenants, and any of them may have changed meanwhile. So the terms
under which a Service became one are written down on it, as a `digest`, together with its addresses. A claim that agrees
with its digest is *vouched for*, and one that does not (or has none) gives way to it. Among equals the older stays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from lb_controller.model.cluster import Port, ServiceKey
from lb_controller.model.config import SharingScope

Backend = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a Service uses its addresses.

    `key` "" shares with nobody; `backend` None is policy Cluster, else the selector.
    """

    key: str = ""
    backend: Backend | None = None
    ports: frozenset[Port] = frozenset()

    def go_with(self, other: "Terms") -> bool:
        """Whether both may use one address, whatever their namespaces."""
        if not self.key or self.key != other.key or self.backend != other.backend:
            return False
        return self.ports.isdisjoint(other.ports)

    def digest(self, numbers: Iterable[int]) -> str:
        """What is written down of a tenant of these addresses: 16 hexadecimal digits; "" for who shares with nobody."""
        if not self.key:
            return ""
        words = (self.key, self.backend, sorted(map(tuple, self.ports)), sorted(numbers))
        return sha256(repr(words).encode()).hexdigest()[:16]


class Tenancy:
    """The Services of one address. Tenants go together pairwise, so the terms of one speak for all."""

    # Most addresses have one tenant for ever; what only others need stands here until it is needed.
    claims: dict[ServiceKey, Terms] | None = None
    _vouched: set[ServiceKey] | None = None  # some of the claimants
    _ports: dict[Port, ServiceKey] | None = None  # built when a second tenant asks
    _namespaces: dict[str, int] | None = None

    def __init__(self) -> None:
        self.tenants: dict[ServiceKey, Terms] = {}

    def add(self, key: ServiceKey, terms: Terms) -> None:
        """The Service is a tenant from now on."""
        self.tenants[key] = terms
        if self._ports is not None:
            self._count(key, terms)

    def claim(self, key: ServiceKey, terms: Terms, *, vouched: bool = False) -> None:
        """The Service claims the address."""
        if self.claims is None:
            self.claims = {}
        self.claims[key] = terms
        if vouched:
            self._vouched = self._vouched or set()
            self._vouched.add(key)

    def remove(self, key: ServiceKey) -> None:
        """The Service is neither tenant nor claims the address any more."""
        if self.claims is not None and self.claims.pop(key, None) is not None:
            self.claims = self.claims or None
            if self._vouched is not None:
                self._vouched.discard(key)
            return
        terms = self.tenants.pop(key)
        if self._ports is None or self._namespaces is None:
            return
        for port in terms.ports:
            del self._ports[port]
        self._namespaces[key.namespace] -= 1
        if not self._namespaces[key.namespace]:
            del self._namespaces[key.namespace]

    @property
    def empty(self) -> bool:
        """Whether nobody is here."""
        return not self.tenants and self.claims is None

    def knows(self, sharing_key: str) -> bool:
        """Whether anybody here has this sharing key."""
        if self.claims is not None and any(terms.key == sharing_key for terms in self.claims.values()):
            return True
        return bool(self.tenants) and next(iter(self.tenants.values())).key == sharing_key

    def everybody(self) -> list[ServiceKey]:
        """Tenants and claimants."""
        return [*self.tenants, *(self.claims or ())]

    def obstacle(self, terms: Terms) -> ServiceKey | None:
        """The first tenant with which the Service, which is none, cannot share the address; O(ports)."""
        if not self.tenants:
            return None
        theirs = next(iter(self.tenants.values()))
        if not terms.key or terms.key != theirs.key or terms.backend != theirs.backend:
            return min(self.tenants)
        ports = self._port_owners()
        taken = [ports[port] for port in terms.ports if port in ports]
        return min(taken) if taken else None

    def obstacle_to_stay(self, key: ServiceKey, terms: Terms) -> ServiceKey | None:
        """As `obstacle`, for a claimant: one that nothing vouches for gives way to those that are vouched for, too."""
        found = self.obstacle(terms)
        if found is not None or not self._vouched or key in self._vouched:
            return found
        claims = self.claims or {}
        return min((other for other in self._vouched if not terms.go_with(claims[other])), default=None)

    def obstacle_to_join(self, key: ServiceKey, terms: Terms, scope: SharingScope) -> ServiceKey | None:
        """As `obstacle`, for a Service that is not here yet: claimants count too, and so does the pool's scope."""
        if (found := self.obstacle(terms)) is not None:
            return found
        if self.claims is not None:
            strangers = [other for other, theirs in self.claims.items() if not terms.go_with(theirs)]
            if strangers:
                return min(strangers)
        if scope is SharingScope.CLUSTER:
            return None
        foreign = [other for other in self.claims or () if other.namespace != key.namespace]
        self._port_owners()
        if self._namespaces and self._namespaces.keys() - {key.namespace}:
            foreign += [other for other in self.tenants if other.namespace != key.namespace]
        return min(foreign) if foreign else None

    def taken(self, ports: frozenset[Port]) -> frozenset[Port]:
        """Those of the ports that somebody here uses."""
        claimed = [terms.ports for terms in (self.claims or {}).values()]
        return ports & frozenset(self._port_owners()).union(*claimed) if claimed else ports & self._port_owners().keys()

    def _port_owners(self) -> dict[Port, ServiceKey]:
        if self._ports is None:
            self._ports, self._namespaces = {}, {}
            for tenant, terms in self.tenants.items():
                self._count(tenant, terms)
        return self._ports

    def _count(self, key: ServiceKey, terms: Terms) -> None:
        assert self._ports is not None
        assert self._namespaces is not None
        self._ports.update(dict.fromkeys(terms.ports, key))
        self._namespaces[key.namespace] = self._namespaces.get(key.namespace, 0) + 1

"""The ledger: which Services there are, what each holds, and who waits for what. In memory, without I/O or clock.

`apply` takes one change and returns the Services that must be planned again; it never scans all Services but for a new
configuration. A Service seen for the first time holds what its status says: so every holder is pinned before anybody
is served, whatever the order of a list. What is *settled* was found permitted since its own last change; in a conflict
between two holders the settled one stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from lb_controller.allocation.demand import Demand, read_demand
from lb_controller.allocation.free import FreeAddresses
from lb_controller.allocation.outcome import Outcome, Refusal
from lb_controller.allocation.pools import PoolIndex
from lb_controller.model.address import Address, Family
from lb_controller.model.cluster import Namespace, Service, ServiceKey
from lb_controller.model.config import Config, Pool, SharingScope


@unique
class Stranded(StrEnum):
    """What becomes of an address that no pool covers any more."""

    RETAIN = "Retain"
    REASSIGN = "Reassign"


@dataclass(frozen=True, slots=True)
class AllocationSettings:
    """Settings of the rules."""

    stranded: Stranded = Stranded.RETAIN


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """A new configuration."""

    config: Config


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A Service is new or changed."""

    service: Service


@dataclass(frozen=True, slots=True)
class ServiceGone:
    """A Service was deleted, or is no longer ours to serve."""

    key: ServiceKey


@dataclass(frozen=True, slots=True)
class NamespacesChanged:
    """All namespaces with their labels."""

    namespaces: Mapping[str, Namespace]


Change = ConfigChanged | ServiceChanged | ServiceGone | NamespacesChanged
Token = Address | str  # what a Service waits for: an address, or anything in the pool of that name


@dataclass(slots=True)
class Entry:
    """One Service: its demand, what it holds, what was decided last."""

    service: Service
    demand: Demand | Refusal
    held: tuple[Address, ...] = ()
    settled: bool = False
    outcome: Outcome | None = None
    waits: frozenset[Token] = field(default_factory=frozenset)

    @property
    def rank(self) -> tuple[str, ServiceKey]:
        """Older Services first, then by key."""
        return (self.service.created, self.service.key)


class Ledger:
    """The facts; only `planner` decides."""

    def __init__(self, settings: AllocationSettings | None = None) -> None:
        self.settings = settings or AllocationSettings()
        self.entries: dict[ServiceKey, Entry] = {}
        self.holders: dict[Address, set[ServiceKey]] = {}
        self.namespaces: Mapping[str, Namespace] = {}
        self.pools = PoolIndex()
        self._config = Config()
        self._free: dict[str, FreeAddresses] = {}
        self._waiting: dict[Token, set[ServiceKey]] = {}
        self._sharers: dict[str, set[Address]] = {}

    # --- changes

    def apply(self, change: Change) -> set[ServiceKey]:
        """Take one change; returns the keys to plan again."""
        match change:
            case ConfigChanged(config):
                return self._configure(config)
            case ServiceChanged(service):
                return self._observe(service)
            case ServiceGone(key):
                return self._forget(key)
            case NamespacesChanged(namespaces):
                changed = {
                    name
                    for name in {*namespaces, *self.namespaces}
                    if namespaces.get(name) != self.namespaces.get(name)
                }
                self.namespaces = dict(namespaces)
                return {key for key in self._all_waiting() if key.namespace in changed}

    def _configure(self, config: Config) -> set[ServiceKey]:
        before, self.pools = self.pools, PoolIndex(config.pools)
        self._config = config
        known = before.by_name
        for name in self._free.keys() - self.pools.by_name.keys():
            del self._free[name]
        for name, pool in self.pools.by_name.items():
            if known.get(name) != pool:
                self._free[name] = FreeAddresses(pool)
        dirty = self._all_waiting()
        for address, keys in self.holders.items():
            if before.pool_of(address) != self.pools.pool_of(address):
                dirty |= keys
        return dirty

    def _observe(self, service: Service) -> set[ServiceKey]:
        entry = self.entries.get(service.key)
        if entry is not None and entry.service.uid != service.uid:
            dirty = self._forget(service.key)
            return dirty | self._observe(service)
        demand = read_demand(service)
        if entry is None:
            entry = Entry(service, demand)
            self.entries[service.key] = entry
            self.hold(entry, tuple(dict.fromkeys(service.ingress)))
            return {service.key}
        same = demand == entry.demand and service.labels == entry.service.labels
        entry.service = service
        if same:
            return set() if entry.outcome is not None and service.ingress == entry.held else {service.key}
        self._unindex_sharing(entry)
        entry.demand, entry.settled = demand, False
        self._index_sharing(entry)
        return {service.key} | self.woken_by(entry.held)

    def _forget(self, key: ServiceKey) -> set[ServiceKey]:
        entry = self.entries.get(key)
        if entry is None:
            return set()
        dirty = self.hold(entry, ())
        self.wait(entry, frozenset())
        del self.entries[key]
        return dirty - {key}

    # --- what a Service holds

    def hold(self, entry: Entry, addresses: tuple[Address, ...]) -> set[ServiceKey]:
        """The Service holds exactly these addresses from now on; returns who may get what it let go."""
        key, woken = entry.service.key, set[ServiceKey]()
        released = [address for address in entry.held if address not in addresses]
        self._unindex_sharing(entry)
        for address in released:
            keys = self.holders[address]
            keys.discard(key)
            if not keys:
                del self.holders[address]
                if (pool := self.pools.pool_of(address)) is not None:
                    self._free[pool.name].release(address)
        woken |= self.woken_by(released)
        for address in addresses:
            self.holders.setdefault(address, set()).add(key)
        entry.held = addresses
        self._index_sharing(entry)
        return woken - {key}

    def _index_sharing(self, entry: Entry) -> None:
        if isinstance(entry.demand, Demand) and entry.demand.sharing_key:
            self._sharers.setdefault(entry.demand.sharing_key, set()).update(entry.held)

    def _unindex_sharing(self, entry: Entry) -> None:
        if not isinstance(entry.demand, Demand) or not entry.demand.sharing_key:
            return
        key, addresses = entry.demand.sharing_key, self._sharers.get(entry.demand.sharing_key)
        if addresses is None:
            return
        for address in entry.held:
            others = self.holders.get(address, set()) - {entry.service.key}
            if not any(self._sharing_key(other) == key for other in others):
                addresses.discard(address)
        if not addresses:
            del self._sharers[key]

    def _sharing_key(self, key: ServiceKey) -> str:
        demand = self.entries[key].demand
        return demand.sharing_key if isinstance(demand, Demand) else ""

    # --- waiting

    def wait(self, entry: Entry, tokens: frozenset[Token]) -> None:
        """The Service waits for any of these; "" stands for any change of the pools."""
        key = entry.service.key
        for token in entry.waits - tokens:
            keys = self._waiting[token]
            keys.discard(key)
            if not keys:
                del self._waiting[token]
        for token in tokens - entry.waits:
            self._waiting.setdefault(token, set()).add(key)
        entry.waits = tokens

    def woken_by(self, addresses: Iterable[Address]) -> set[ServiceKey]:
        """Who waits for one of these addresses, or for anything in their pools."""
        woken: set[ServiceKey] = set()
        for address in addresses:
            woken |= self._waiting.get(address, set())
            if (pool := self.pools.pool_of(address)) is not None:
                woken |= self._waiting.get(pool.name, set())
        return woken

    def _all_waiting(self) -> set[ServiceKey]:
        return set().union(*self._waiting.values()) if self._waiting else set()

    # --- questions

    def lowest_free(self, pool: Pool, family: Family) -> Address | None:
        """The lowest address of the pool that nobody holds."""
        return self._free[pool.name].lowest(family, self.holders)

    def shared_addresses(self, key: str) -> set[Address]:
        """The addresses held under a sharing key."""
        return self._sharers.get(key, set())

    def conflict(self, entry: Entry, address: Address, *, settled_only: bool) -> ServiceKey | None:
        """A holder of the address with which the Service cannot share it; `settled_only`: of the settled ones."""
        assert isinstance(entry.demand, Demand)
        for key in sorted(self.holders.get(address, ())):
            other = self.entries[key]
            if key == entry.service.key or (settled_only and not other.settled):
                continue
            if not isinstance(other.demand, Demand) or not self._may_share(entry, other, address):
                return key
        return None

    def _may_share(self, one: Entry, other: Entry, address: Address) -> bool:
        mine, theirs = one.demand, other.demand
        assert isinstance(mine, Demand)
        assert isinstance(theirs, Demand)
        if not mine.sharing_key or mine.sharing_key != theirs.sharing_key:
            return False
        pool = self.pools.pool_of(address)
        scope = pool.sharing_scope if pool is not None else SharingScope.CLUSTER
        if scope is SharingScope.NAMESPACE and one.service.key.namespace != other.service.key.namespace:
            return False
        return mine.backend == theirs.backend and not mine.ports & theirs.ports

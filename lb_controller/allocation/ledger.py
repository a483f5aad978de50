"""The ledger: which Services there are, what each holds, and who waits for what. In memory, without I/O or clock.

`apply` takes one change and returns the Services that must be planned again; it scans all Services for nothing. A
Service seen for the first time claims what its status says: so every holder is pinned before anybody is served,
whatever the order of a list. What `sharing` calls a tenant was found to fit since its own last change; where two
holders clash, a claimant gives way to a tenant, one that nothing vouches for to one that its digest vouches for, and
the younger to the older.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lb_controller.allocation.changes import (
    AllocationSettings,
    Change,
    ConfigChanged,
    NamespacesChanged,
    QuarantineChanged,
    ServiceChanged,
    ServiceGone,
    Stranded,
)
from lb_controller.allocation.demand import Demand, read_demand
from lb_controller.allocation.holdings import Holdings
from lb_controller.allocation.numbers import number_of
from lb_controller.allocation.outcome import Outcome
from lb_controller.allocation.pools import PoolIndex, permits
from lb_controller.allocation.waiting import Freed, Rank, Token, Waiting
from lb_controller.model import names
from lb_controller.model.cluster import Namespace, Service, ServiceKey
from lb_controller.model.config import Config


@dataclass(slots=True)
class Entry:
    """One Service: its demand, what it holds (as numbers), and what was decided last.

    `rank` sorts older Services first. `honoured` is the requested pool that its addresses were assigned from, "" if
    none was: a pool that is split or renamed later does not make the request unmet.
    """

    service: Service
    demand: Demand
    rank: Rank
    held: tuple[int, ...] = ()
    honoured: str = ""
    outcome: Outcome | None = None
    queued: bool = False  # `plan` will come to it

    @property
    def vouched(self) -> bool:
        """Whether what it holds, and the terms under which, are what was written down on it."""
        noted = self.service.annotations.get(names.ANNOTATION_SHARING_DIGEST)
        return bool(noted) and noted == self.demand.terms.digest(self.held)

    @property
    def outdated(self) -> bool:
        """Whether other terms or addresses are written down on it: it changed, and that is still to be written."""
        return names.ANNOTATION_SHARING_DIGEST in self.service.annotations and not self.vouched


class Ledger:
    """The facts; only `decision` decides."""

    def __init__(self, settings: AllocationSettings | None = None) -> None:
        self.settings = settings or AllocationSettings()
        self.entries: dict[ServiceKey, Entry] = {}
        self.namespaces: Mapping[str, Namespace] = {}
        self.waiting = Waiting()
        self.holdings = Holdings(self.waiting.queues)

    @property
    def reassigns(self) -> bool:
        """Whether stranded addresses are taken away."""
        return self.settings.stranded is Stranded.REASSIGN

    # --- changes

    def apply(self, change: Change) -> set[ServiceKey]:
        """Take one change; returns the keys to plan again (`plan` finds by itself who may profit from a release)."""
        match change:
            case ServiceChanged(service):
                return self._observe(service)
            case ConfigChanged(config):
                return self._configure(config)
            case ServiceGone(key):
                self._forget(key)
                return set()
            case NamespacesChanged(namespaces):
                return self._relabel(namespaces)
            case QuarantineChanged(addresses):
                return self._holders(self.holdings.quarantine({number_of(address) for address in addresses}))

    def take_news(self) -> tuple[set[ServiceKey], list[Freed]]:
        """Who may profit from what happened since the last call: all of the first, and who waits for the second."""
        news = self.holdings.news
        woken: set[ServiceKey] = set()
        if not news:
            return woken, []
        for token in news:
            if not isinstance(token, Freed):
                woken |= self.waiting.all_for(token)
        freed = [token for token in news if isinstance(token, Freed)]
        news.clear()
        return woken, freed

    def record(self, entry: Entry, held: tuple[int, ...], outcome: Outcome, tokens: frozenset[Token] | None) -> None:
        """What was decided: the Service holds these, and waits for those (None: it has all it wants)."""
        if tokens is not None or self.waiting.tokens:
            # First this: what it lets go may concern itself, where it asks for an address that it claimed in vain.
            self.waiting.replace(entry.rank, tokens)
        if held or entry.held:
            self.holdings.hold(entry.service.key, entry.demand.terms, entry.held, held)
        entry.held, entry.outcome = held, outcome

    def _configure(self, config: Config) -> set[ServiceKey]:
        before = self.holdings.pools.by_name
        dirty = set(self.waiting.tokens) | self._holders(self.holdings.configure(PoolIndex(config.pools)))
        if self.reassigns:
            for name, pool in self.holdings.pools.by_name.items():
                if name in before and before[name].allocation != pool.allocation:
                    dirty |= self._holders(self.holdings.held_in(name))
        return dirty

    def _relabel(self, namespaces: Mapping[str, Namespace]) -> set[ServiceKey]:
        before, self.namespaces = self.namespaces, dict(namespaces)
        changed = {name for name in {*before, *namespaces} if namespaces.get(name) != before.get(name)}
        concerned = self.entries if self.reassigns and changed else self.waiting.tokens
        return {key for key in concerned if key.namespace in changed}

    def _observe(self, service: Service) -> set[ServiceKey]:
        entry = self.entries.get(service.key)
        if entry is not None and entry.service.uid != service.uid:
            self._forget(service.key)
            entry = None
        demand = read_demand(service)
        if entry is None:
            self.entries[service.key] = entry = Entry(service, demand, (service.created, service.key))
            self._pin(entry)
            return {service.key}
        before, entry.demand = entry.demand, demand
        same = demand == before and service.labels == entry.service.labels
        entry.service = service
        if same and entry.outcome is not None:
            return set()
        if demand.terms != before.terms:
            self.holdings.doubt(service.key, before.terms, demand.terms, entry.held)
        return {service.key}

    def _pin(self, entry: Entry) -> None:
        """A Service seen for the first time holds what its status says."""
        service, pool = entry.service, entry.demand.pool
        if not service.ingress:
            return
        entry.held = tuple(dict.fromkeys(map(number_of, service.ingress)))
        vouched = entry.vouched
        for number in entry.held:
            self.holdings.claim(service.key, entry.demand.terms, number, vouched=vouched)
        for key in (names.ANNOTATION_ASSIGNED_FROM_POOL, names.ANNOTATION_METALLB_POOL):
            if pool and service.annotations.get(key) == pool:
                entry.honoured = pool

    def _forget(self, key: ServiceKey) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.holdings.hold(key, entry.demand.terms, entry.held, ())
            self.waiting.replace(entry.rank, None)

    # --- questions

    def _holders(self, numbers: Iterable[int]) -> set[ServiceKey]:
        found: set[ServiceKey] = set()
        for number in numbers:
            found.update(self.holdings.holders_of(number))
        return found

    def permits(self, entry: Entry, number: int) -> bool:
        """Whether a pool covers the address and lets the Service in."""
        pool = self.holdings.pools.pool_at(number)
        return pool is not None and permits(pool, entry.service, self.namespaces)

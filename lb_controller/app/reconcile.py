"""From news to work: keeps what was observed, lets the ledger and planner decide, and says what must be written.

Level-based and without I/O: `work` compares what was decided with what is observed, so asking twice gives the same
answer, and an answer that could not be written is simply asked for again. While it rests (this replica is passive)
it only observes; `begin` builds the ledger anew from what is observed then, so that every holder is pinned first.
Where a rival runs (MetalLB), Services that it serves are decided and not written: `shadowed` are those that would be.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lb_controller.allocation.changes import (
    ConfigChanged,
    NamespacesChanged,
    QuarantineChanged,
    ServiceChanged,
    ServiceGone,
)
from lb_controller.allocation.effects import EmitEvent, PatchStatus, effects, release
from lb_controller.allocation.ledger import Entry, Ledger
from lb_controller.allocation.numbers import number_of
from lb_controller.allocation.planner import plan
from lb_controller.app import pools, rules
from lb_controller.app.backlog import Backlog
from lb_controller.app.configuration import Configuration
from lb_controller.app.inputs import NAMESPACE, SERVICE, SOURCES, Sources, Value
from lb_controller.app.observed import Key, Observed, Sighting
from lb_controller.app.quarantine import Quarantine
from lb_controller.app.rules import Rules
from lb_controller.app.turns import Turns
from lb_controller.model import names
from lb_controller.model.address import Address
from lb_controller.model.cluster import Condition, Contest, Namespace, Service, ServiceKey
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.objects import RawObject

_PLANS_AT_ONCE = 250  # some 10 ms
_LOOKS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ServiceWrite:
    """Write the status of `service` as `patch` says, and then tell `events`."""

    service: Service
    patch: PatchStatus
    events: tuple[EmitEvent, ...]


@dataclass(frozen=True, slots=True)
class ObjectWrite:
    """Write condition and status fields of one of our own objects; `told` is the condition that it has now."""

    raw: RawObject
    condition: Condition
    fields: Mapping[str, Any]
    told: Condition | None


@dataclass
class Work:
    """What to write, which Services need nothing (any more), and which left us and may carry marks of ours."""

    writes: list[ServiceWrite] = field(default_factory=list)
    quiet: list[ServiceKey] = field(default_factory=list)
    left: list[Service] = field(default_factory=list)


class Reconciler:
    """The state of the controller. `ledger` is None while it rests."""

    def __init__(self, settings: Rules, sources: Sources = SOURCES) -> None:
        self._rules = settings
        self.observed: dict[str, Observed[Value]] = {source: Observed() for source in sources}
        self.configuration = Configuration(self.observed)
        self.ledger: Ledger | None = None
        self._dirty: Backlog[ServiceKey] = Backlog(_PLANS_AT_ONCE, self._urgency)
        self._touched: Backlog[ServiceKey] = Backlog(_LOOKS_AT_ONCE, hash)
        self.revision = 0
        self._left: dict[ServiceKey, Service] = {}
        self._turns = Turns()
        self._namespaces_stale = False
        self._config = Config()
        self.objects_stale = False
        self.contest = Contest()
        self.shadowed: set[ServiceKey] = set()
        self._quarantine = Quarantine()
        self._quarantine_stale = False
        self._now = 0.0

    # --- news

    def tick(self, now: float) -> None:
        """A second has passed; `now` in seconds, monotonic."""
        self._now = now
        entries = self.ledger.entries.values() if self.ledger is not None else ()
        self._quarantine_stale |= self._quarantine.expire(now, (entry.service for entry in entries))

    def see(self, source: str, sighting: Sighting[Value]) -> None:
        """There is this object."""
        self._note(source, self.observed[source].see(sighting))

    def lose(self, source: str, key: Key, version: int) -> None:
        """The object was deleted, or no longer matches what is watched."""
        self._note(source, self.observed[source].lose(key, version))

    def take_list(
        self, source: str, items: Iterable[Sighting[Value]], version: int, unread: Iterable[Key] = ()
    ) -> None:
        """These are all objects."""
        self._note(source, self.observed[source].take_list(items, version, unread))

    def missing(self) -> list[str]:
        """The inputs that were never listed: nothing is decided without them."""
        return [source for source, observed in self.observed.items() if not observed.listed_once]

    def touch(self, keys: Iterable[ServiceKey]) -> None:
        """Look again whether these Services need a write."""
        self._touched.add(keys)

    @property
    def unfinished(self) -> bool:
        """Whether `work` left some of it for the next call."""
        return self.ledger is not None and bool(self._dirty or self._touched)

    # --- taking part and resting

    def begin(self) -> None:
        """Take part: pin what every Service holds, then decide all. Every input must have been listed."""
        assert not self.missing()
        self.ledger = Ledger(self._rules.allocation)
        self._config = Config()
        self._dirty.clear()
        self._touched.clear()
        self._left.clear()
        self._turns = Turns()
        self.shadowed.clear()
        self._refresh_config(self.ledger)
        self._namespaces_stale = self._quarantine_stale = True
        self._refresh_facts(self.ledger)
        self._note(SERVICE, list(self.observed[SERVICE].objects))

    def rest(self) -> None:
        """Only observe from now on."""
        self.ledger = None
        self.revision += 1
        self._left.clear()

    def work(self) -> Work:
        """Decide what changed, a slice of it; what must be written now."""
        work = Work()
        ledger = self.ledger
        if ledger is None:
            return work
        self._refresh_config(ledger)
        self._refresh_facts(ledger)
        decided = plan(ledger, self._dirty.take()).keys()
        # Who waits for its decision is looked at then: what was decided before may be out of date.
        touched = decided | {key for key in self._touched.take() if key not in self._dirty}
        if touched:
            self.objects_stale = True
            self.revision += 1
        for key in touched:
            write = self._write_of(ledger, key)
            self.shadowed.discard(key)
            if write is not None and self._stands_back(ledger, write):
                self.shadowed.add(key)
                write = None
            if write is not None and self._waits_its_turn(ledger, write):
                write = None
            if write is None:
                work.quiet.append(key)
            else:
                work.writes.append(write)
        work.left, self._left = list(self._left.values()), {}
        return work

    def object_work(self) -> list[ObjectWrite]:
        """What must be written to our own objects: conditions, and how full the pools are."""
        ledger = self.ledger
        self.objects_stale = False
        if ledger is None:
            return []
        filled = pools.fill(ledger.holdings.pools, ledger.holdings.usage())
        writes = []
        for raw in self.configuration.objects():
            write = self._object_write(raw, filled)
            if write is not None:
                writes.append(write)
        return writes

    def invalid(self) -> Counter[str]:
        """How many objects of each kind are not in use because of an error."""
        return Counter() if self.ledger is None else self.configuration.invalid()

    # --- inside

    def _note(self, source: str, keys: list[Key]) -> None:
        if source == SERVICE:
            for key in keys:
                self._note_service(ServiceKey(*key))
        elif keys and source == NAMESPACE:
            self._namespaces_stale = True
        elif keys:
            self.configuration.note(source)

    def _urgency(self, key: ServiceKey) -> tuple[object, ...]:
        """Who has no address goes first; then by rank, as the planner does."""
        entry = self.ledger.entries.get(key) if self.ledger is not None else None
        return (True, "", key) if entry is None else (bool(entry.held), *entry.rank)

    def _note_service(self, key: ServiceKey) -> None:
        ledger = self.ledger
        if ledger is None:
            return
        found = self.observed[SERVICE].get(key)
        self._touched.add([key])
        ours = isinstance(found, Service) and self._rules.serves(found)
        self._touched.add(self._turns.show(key, found.ingress if isinstance(found, Service) and ours else ()))
        if isinstance(found, Service) and ours:
            self._left.pop(key, None)
            self._quarantine_stale |= self._quarantine.note(found, self._now)
            if self.contest.over(found) and key in ledger.entries and not _holds(ledger.entries[key], found.ingress):
                self._dirty.add(ledger.apply(ServiceGone(key)))  # what the rival gave it is what it holds
            self._dirty.add(ledger.apply(ServiceChanged(found)))
        elif key in ledger.entries:
            service = ledger.entries[key].service
            if release(service):
                self._left[key] = service
            self._dirty.add(ledger.apply(ServiceGone(key)))

    def _refresh_config(self, ledger: Ledger) -> None:
        if self.configuration.refresh():
            self.objects_stale = True
        config = self.configuration.config
        if config is not self._config and config != self._config:
            self._config = config
            self._dirty.add(ledger.apply(ConfigChanged(config)))

    def _refresh_facts(self, ledger: Ledger) -> None:
        if self._namespaces_stale:
            known = {space.name: space for space in self.observed[NAMESPACE].values() if isinstance(space, Namespace)}
            self._dirty.add(ledger.apply(NamespacesChanged(known)))
        if self._quarantine_stale:
            self._dirty.add(ledger.apply(QuarantineChanged(self._quarantine.addresses)))
        self._namespaces_stale = self._quarantine_stale = False

    def _waits_its_turn(self, ledger: Ledger, write: ServiceWrite) -> bool:
        """Whether an address that is new to the Service still stands in the status of another that must leave it, or
        of one whose new terms are not written down: it might go back to the old ones while no controller runs."""
        fresh = [address for address in write.patch.ingress if address not in write.service.ingress]

        def may_keep(other: ServiceKey, address: Address) -> bool:
            entry = ledger.entries.get(other)
            if entry is None or number_of(address) not in entry.held:
                return False
            return not entry.outdated or self.contest.over(entry.service)

        return bool(fresh) and self._turns.must_wait(write.service.key, fresh, may_keep)

    def _stands_back(self, ledger: Ledger, write: ServiceWrite) -> bool:
        """Whether the Service, or an address that it would get, is a rival's to give."""
        if not self.contest.rivals:
            return False
        if self.contest.over(write.service):
            return True
        fresh = (address for address in write.patch.ingress if address not in write.service.ingress)
        pools = (ledger.holdings.pools.pool_of(address) for address in fresh)
        return any(pool is not None and pool.origin is Origin.METALLB for pool in pools)

    def _write_of(self, ledger: Ledger, key: ServiceKey) -> ServiceWrite | None:
        entry = ledger.entries.get(key)
        if entry is None or entry.outcome is None:
            return None
        patch: PatchStatus | None = None
        events: list[EmitEvent] = []
        for effect in effects(entry.service, entry.outcome):
            match effect:
                case PatchStatus():
                    patch = effect
                case EmitEvent():
                    events.append(effect)
        return None if patch is None else ServiceWrite(entry.service, patch, tuple(events))

    def _object_write(self, raw: RawObject, filled: Mapping[str, Mapping[str, int]]) -> ObjectWrite | None:
        if not rules.is_ours(raw):
            return None
        condition = rules.accepted(raw, self.configuration.problems(raw))
        fields = filled.get(raw.name, {}) if raw.kind == names.KIND_IP_ADDRESS_POOL else {}
        told = rules.told(raw, condition.type)
        if told is not None and rules.same(told, condition) and rules.status_fields(raw, pools.FIELDS) == fields:
            return None
        return ObjectWrite(raw, condition, fields, told)


def _holds(entry: Entry, addresses: Iterable[Address]) -> bool:
    return {number_of(address) for address in addresses} == set(entry.held)

"""From news to work: keeps what was observed, lets the ledger and planner decide, and says what must be written.

Level-based and without I/O: `work` compares what was decided with what is observed, so asking twice gives the same
answer, and an answer that could not be written is simply asked for again. While it rests (this replica is passive)
it only observes; `begin` builds the ledger anew from what is observed then, so that every holder is pinned first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lb_controller.allocation.changes import ConfigChanged, NamespacesChanged, ServiceChanged, ServiceGone
from lb_controller.allocation.effects import EmitEvent, PatchStatus, effects, release
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.planner import plan
from lb_controller.app import pools, rules
from lb_controller.app.inputs import NAMESPACE, SERVICE, SOURCES, Value
from lb_controller.app.observed import Key, Observed, Sighting
from lb_controller.app.rules import Rules
from lb_controller.model import names
from lb_controller.model.cluster import Condition, Namespace, Service, ServiceKey
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem, Severity

_Place = tuple[str, str, Origin]


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

    def __init__(self, settings: Rules) -> None:
        self._rules = settings
        self.observed: dict[str, Observed[Value]] = {source: Observed() for source in SOURCES}
        self.ledger: Ledger | None = None
        self._dirty: set[ServiceKey] = set()
        self._touched: set[ServiceKey] = set()
        self._left: dict[ServiceKey, Service] = {}
        self._config_stale = self._namespaces_stale = False
        self._config = Config()
        self._problems: dict[_Place, list[Problem]] = {}
        self.objects_stale = False

    # --- news

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
        self._touched.update(keys)

    # --- taking part and resting

    def begin(self) -> None:
        """Take part: pin what every Service holds, then decide all. Every input must have been listed."""
        assert not self.missing()
        self.ledger = Ledger(self._rules.allocation)
        self._config, self._dirty, self._touched = Config(), set(), set()
        self._left.clear()
        self._refresh_config(self.ledger)
        self._refresh_namespaces(self.ledger)
        self._note(SERVICE, list(self.observed[SERVICE].objects))

    def rest(self) -> None:
        """Only observe from now on."""
        self.ledger = None
        self._left.clear()

    def work(self) -> Work:
        """Decide what changed; what must be written now."""
        work = Work()
        ledger = self.ledger
        if ledger is None:
            return work
        if self._config_stale:
            self._refresh_config(ledger)
        if self._namespaces_stale:
            self._refresh_namespaces(ledger)
        dirty, self._dirty = self._dirty, set()
        touched = self._touched | plan(ledger, dirty).keys()
        self._touched = set()
        self.objects_stale |= bool(touched)
        for key in touched:
            write = self._write_of(ledger, key)
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
        for kind in names.PLURALS:
            for raw in self._raws(kind):
                write = self._object_write(raw, filled)
                if write is not None:
                    writes.append(write)
        return writes

    def invalid(self) -> Counter[str]:
        """How many objects of each kind are not in use because of an error."""
        if self.ledger is None:
            return Counter()
        places = (place for place, found in self._problems.items() if any(p.severity is Severity.ERROR for p in found))
        return Counter(kind for kind, _, _ in places)

    # --- inside

    def _note(self, source: str, keys: list[Key]) -> None:
        if source == SERVICE:
            for key in keys:
                self._note_service(ServiceKey(*key))
        elif keys and source == NAMESPACE:
            self._namespaces_stale = True
        elif keys:
            self._config_stale = self.objects_stale = True

    def _note_service(self, key: ServiceKey) -> None:
        ledger = self.ledger
        if ledger is None:
            return
        found = self.observed[SERVICE].get(key)
        self._touched.add(key)
        if isinstance(found, Service) and self._rules.serves(found):
            self._left.pop(key, None)
            self._dirty |= ledger.apply(ServiceChanged(found))
        elif key in ledger.entries:
            service = ledger.entries[key].service
            if release(service):
                self._left[key] = service
            self._dirty |= ledger.apply(ServiceGone(key))

    def _refresh_config(self, ledger: Ledger) -> None:
        self._config_stale = False
        raws = [raw for kind in names.PLURALS for raw in self._raws(kind)]
        config, problems = parse_config(raws)
        self._problems = {}
        for problem in problems:
            self._problems.setdefault((problem.kind, problem.name, problem.origin), []).append(problem)
        self.objects_stale = True
        if config != self._config:
            self._config = config
            self._dirty |= ledger.apply(ConfigChanged(config))

    def _refresh_namespaces(self, ledger: Ledger) -> None:
        self._namespaces_stale = False
        known = {space.name: space for space in self.observed[NAMESPACE].values() if isinstance(space, Namespace)}
        self._dirty |= ledger.apply(NamespacesChanged(known))

    def _raws(self, kind: str) -> list[RawObject]:
        return [raw for raw in self.observed[kind].values() if isinstance(raw, RawObject)]

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
        condition = rules.accepted(raw, self._problems.get((raw.kind, raw.name, raw.origin), ()))
        fields = filled.get(raw.name, {}) if raw.kind == names.KIND_IP_ADDRESS_POOL else {}
        told = rules.told(raw, condition.type)
        if told is not None and _same(told, condition) and rules.status_fields(raw, pools.FIELDS) == fields:
            return None
        return ObjectWrite(raw, condition, fields, told)


def _same(told: Condition, wanted: Condition) -> bool:
    return (told.status, told.reason, told.message, told.observed_generation) == (
        wanted.status,
        wanted.reason,
        wanted.message,
        wanted.observed_generation,
    )

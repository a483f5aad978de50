"""Whatever happens in whatever order: the planner decides as its dumb twin, and keeps its promises.

The everyday run looks at the same examples each time; HERALDLB_EXAMPLES=5000 looks at that many, others each time.
"""

import os
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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
from lb_controller.allocation.effects import PatchStatus, effects
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.numbers import address_of, number_of
from lb_controller.allocation.outcome import Assignment, Outcome
from lb_controller.allocation.planner import plan
from lb_controller.model import names
from lb_controller.model.address import Address, AddressRange, parse_range
from lb_controller.model.cluster import FamilyPolicy, Namespace, Port, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import Config, Pool, ServiceAllocation, SharingScope
from lb_controller.model.reasons import AssignedReason
from tests.support.allocation import labelled
from tests.support.twin import Twin

PIECES = [
    *("192.0.2.0/31", "192.0.2.2/32", "192.0.2.3-192.0.2.4", "192.0.2.254-192.0.3.1"),
    *("2001:db8::/127", "2001:db8::2/128", "2001:db8::3-2001:db8::4"),
]
RANGES: list[AddressRange] = [parse_range(text) for text in PIECES]
ADDRESSES: list[Address] = [type(part.first)(int(part.first) + step) for part in RANGES for step in range(part.size)]
V4, V6 = ip_address("10.96.0.9"), ip_address("fd00:96::9")
KEYS = [ServiceKey(namespace, name) for namespace in ("red", "sea") for name in "abcdef"]
ALLOCATIONS = [
    *(None, None, None),
    ServiceAllocation(priority=2),
    ServiceAllocation(namespaces=frozenset({"red"})),
    ServiceAllocation(priority=1, namespace_selectors=(labelled("team", "x"),)),
    ServiceAllocation(priority=5, service_selectors=(labelled("tier", "web"),)),
]

OURS = (names.ANNOTATION_ASSIGNED_FROM_POOL, names.ANNOTATION_METALLB_POOL, names.ANNOTATION_SHARING_DIGEST)

optional_address = st.sampled_from([None, None, *ADDRESSES])


@st.composite
def configs(draw: st.DrawFn) -> tuple[Pool, ...]:
    owners = [draw(st.sampled_from(["p", "p", "q", "r", None])) for _ in RANGES]
    pools = []
    for name in "pqr":
        ranges = [part for part, owner in zip(RANGES, owners, strict=True) if owner == name]
        if ranges:
            pools.append(
                Pool(
                    name,
                    tuple(draw(st.permutations(ranges))),
                    auto_assign=draw(st.sampled_from([True, True, False])),
                    avoid_buggy_ips=draw(st.booleans()),
                    allocation=draw(st.sampled_from(ALLOCATIONS)),
                    sharing_scope=draw(st.sampled_from(list(SharingScope))),
                )
            )
    return tuple(pools)


@st.composite
def crowds(draw: st.DrawFn) -> dict[str, Any]:
    """As `requests`, of those who all have one key and want to share."""
    policy = draw(st.sampled_from([TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL]))
    return {
        "annotations": {"heraldlb.io/allow-shared-ip": draw(st.sampled_from("kkkkm"))},
        "labels": {},
        "cluster_ips": (V4,),
        "family_policy": FamilyPolicy.SINGLE_STACK,
        "traffic_policy": policy,
        "selector": {"app": "x"},
        "ports": tuple(Port("TCP", port) for port in draw(st.sampled_from([(80,), (81,), (80, 81), (80, 82), (82,)]))),
    }


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a Service by which it asks for something."""
    notes: dict[str, str] = {}
    if draw(st.integers(0, 3)) == 0:
        notes["heraldlb.io/address-pool"] = draw(st.sampled_from(["p", "q", "r"]))
    if draw(st.booleans()):
        notes["heraldlb.io/allow-shared-ip"] = draw(st.sampled_from(["k", "k", "m"]))
    if draw(st.integers(0, 3)) == 0:
        asked = draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True))
        notes["metallb.io/loadBalancerIPs"] = ",".join(map(str, asked))
    local = draw(st.booleans()) and draw(st.booleans())
    return {
        "annotations": notes,
        "labels": draw(st.sampled_from([{}, {"tier": "web"}])),
        "cluster_ips": draw(st.sampled_from([(V4,), (V4,), (V6,), (V4, V6), (V6, V4)])),
        "family_policy": draw(st.sampled_from(list(FamilyPolicy))),
        "traffic_policy": TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER,
        "selector": draw(st.sampled_from([{"app": "x"}, {"app": "y"}])) if local else {},
        "ports": tuple(Port("TCP", port) for port in draw(st.sampled_from([(80,), (81,), (80, 81), (82,)]))),
    }


class Planning(RuleBasedStateMachine):
    """A cluster: what is decided is written at once, as a controller with a fast API server does."""

    stranded = Stranded.RETAIN

    def __init__(self) -> None:
        super().__init__()
        self.settings = AllocationSettings(self.stranded)
        self.ledger = Ledger(self.settings)
        self.twin = Twin(reassign=self.stranded is Stranded.REASSIGN)
        self.services: dict[ServiceKey, Service] = {}
        self.pools: tuple[Pool, ...] = ()
        self.namespaces: dict[str, Namespace] = {}
        self.quarantined: frozenset[Address] = frozenset()
        self.dirty: set[ServiceKey] = set()
        self.touched: set[ServiceKey] = set()
        self.before: dict[ServiceKey, Outcome] = {}
        self.uids = 0
        self.calm = False

    # --- what happens

    @initialize(calm=st.booleans(), crowded=st.booleans(), pools=configs(), scope=st.sampled_from(list(SharingScope)))
    def begin(self, calm: bool, crowded: bool, pools: tuple[Pool, ...], scope: SharingScope) -> None:
        """Calm: only Services come, change and go, so that what is remembered from step to step grows old."""
        self.calm = calm
        self.requests = crowds() if crowded else requests()
        self.edit_pools((Pool("p", tuple(RANGES), sharing_scope=scope),) if crowded else pools)

    @precondition(lambda self: not self.calm)
    @rule(pools=configs())
    def edit_pools(self, pools: tuple[Pool, ...]) -> None:
        self.pools = self.twin.pools = pools
        self._tell(ConfigChanged(Config(pools=pools)))

    @precondition(lambda self: not self.calm)
    @rule(red=st.booleans(), sea=st.booleans())
    def label_namespaces(self, red: bool, sea: bool) -> None:
        teams = {"red": red, "sea": sea}
        self.namespaces = {name: Namespace(name, {"team": "x"} if found else {}) for name, found in teams.items()}
        self.twin.namespaces = self.namespaces
        self._tell(NamespacesChanged(self.namespaces))

    @precondition(lambda self: not self.calm)
    @rule(found=st.sets(st.sampled_from(ADDRESSES), max_size=3))
    def hear_foreign_hosts(self, found: set[Address]) -> None:
        self.quarantined = self.twin.quarantined = frozenset(found)
        self._tell(QuarantineChanged(self.quarantined))

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3),
        choice=st.data(),
        created=st.sampled_from("123"),
        claims=st.lists(optional_address, max_size=2),
    )
    def create(self, keys: list[ServiceKey], choice: st.DataObject, created: str, claims: list[Address | None]) -> None:
        """Services appear, perhaps one restored from a backup with a status; perhaps in another's place."""
        ingress = tuple(address for address in claims if address is not None)
        for key in keys:
            self.uids += 1
            asked = choice.draw(self.requests)
            self._see(Service(key=key, uid=str(self.uids), created=created, ingress=ingress, **asked))
            ingress = ()

    @precondition(lambda self: self.services)
    @rule(choice=st.data())
    def change(self, choice: st.DataObject) -> None:
        self._see(self._changed(choice))

    def _changed(self, choice: st.DataObject) -> Service:
        known = self.services[choice.draw(st.sampled_from(sorted(self.services)))]
        written = {key: value for key, value in known.annotations.items() if key in OURS}
        asked = choice.draw(self.requests)
        some = choice.draw(st.sets(st.sampled_from(sorted(asked)), min_size=1))
        fields = {name: value for name, value in asked.items() if name in some}
        if "annotations" in fields:
            fields["annotations"] = {**fields["annotations"], **written}
        return replace(known, **fields)

    @precondition(lambda self: self.services)
    @rule(choice=st.data())
    def delete(self, choice: st.DataObject) -> None:
        key = choice.draw(st.sampled_from(sorted(self.services)))
        del self.services[key]
        del self.twin.facts[key]
        self._tell(ServiceGone(key))

    @rule()
    def decide(self) -> None:
        """What piled up is decided together, and written."""
        plan(self.ledger, self.dirty)
        self.dirty = set()
        self.twin.plan_from_scratch()
        self._equals_its_twin()
        self._nobody_moved_unasked()
        self._write()
        self.touched = set()

    @precondition(lambda self: not self.calm)
    @rule(order=st.randoms(use_true_random=False))
    def restart(self, order: Any) -> None:
        """Another process takes over: it lists everything in another order, and nothing changes."""
        self.decide()
        services = list(self.services.values())
        order.shuffle(services)
        anew = Ledger(self.settings)
        changes: list[Change] = [ServiceChanged(service) for service in services]
        changes[len(changes) // 2 : len(changes) // 2] = [
            ConfigChanged(Config(pools=self.pools)),
            NamespacesChanged(self.namespaces),
            QuarantineChanged(self.quarantined),
        ]
        outcomes = plan(anew, set().union(*map(anew.apply, changes)))
        assert _states(outcomes) == _states(self._outcomes())
        for key, service in self.services.items():
            assert effects(service, outcomes[key]) == ()
        self.ledger = anew

    @precondition(lambda self: self.services and not self.calm)
    @rule(choice=st.data(), order=st.randoms(use_true_random=False))
    def return_after_an_absence(self, choice: st.DataObject, order: Any) -> None:
        """No controller ran for a time, and Services changed meanwhile: who did not change is not disturbed."""
        self.decide()
        for _ in range(choice.draw(st.integers(1, 3))):
            changed = self._changed(choice)
            self.services[changed.key] = changed
            self.touched.add(changed.key)
        self.ledger = Ledger(self.settings)
        self.twin.facts.clear()
        services = list(self.services.values())
        order.shuffle(services)
        self._tell(ConfigChanged(Config(pools=self.pools)))
        self._tell(NamespacesChanged(self.namespaces))
        self._tell(QuarantineChanged(self.quarantined))
        for service in services:
            self.twin.see(service)
            self._tell(ServiceChanged(service))

    def _see(self, service: Service) -> None:
        self.services[service.key] = service
        self.touched.add(service.key)
        self.twin.see(service)
        self._tell(ServiceChanged(service))

    def _tell(self, change: Change) -> None:
        self.dirty |= self.ledger.apply(change)

    def _write(self) -> None:
        for key, entry in self.ledger.entries.items():
            assert entry.outcome is not None
            for effect in effects(self.services[key], entry.outcome):
                if isinstance(effect, PatchStatus):
                    service = self.services[key]
                    kept = {name: text for name, text in service.annotations.items() if name not in OURS}
                    assert effect.condition is not None
                    self.services[key] = replace(
                        service,
                        ingress=effect.ingress,
                        conditions=(effect.condition,),
                        annotations={**kept, **effect.annotations},
                    )
        for service in self.services.values():
            assert self.ledger.apply(ServiceChanged(service)) == set()
            self.twin.see(service)
        self.before = self._outcomes()

    def _outcomes(self) -> dict[ServiceKey, Outcome]:
        found = {key: entry.outcome for key, entry in self.ledger.entries.items() if entry.outcome is not None}
        assert found.keys() == self.services.keys()
        return found

    # --- what always holds

    def _equals_its_twin(self) -> None:
        for key, outcome in self._outcomes().items():
            fact = self.twin.facts[key]
            addresses = outcome.addresses if isinstance(outcome, Assignment) else ()
            assert (addresses, outcome.reason) == (fact.held, fact.reason), key

    def _nobody_moved_unasked(self) -> None:
        for key, outcome in self._outcomes().items():
            before = self.before.get(key)
            if key in self.touched or not isinstance(before, Assignment):
                continue
            assert isinstance(outcome, Assignment), f"{key} lost its address: {outcome}"
            asks = before.reason in (AssignedReason.REQUEST_UNSATISFIED, AssignedReason.ADDRESS_CONFLICT)
            if self.stranded is Stranded.RETAIN and not asks:
                stays = [address for address in before.addresses if address not in self.quarantined]
                assert set(stays) <= set(outcome.addresses), f"{key} moved"

    @invariant()
    def deciding_again_changes_nothing(self) -> None:
        if not self.dirty and not self.ledger.holdings.news:
            before = _states(self._outcomes())
            assert _states(plan(self.ledger, set(self.ledger.entries))) == before

    @invariant()
    def no_address_is_held_twice_unless_shared(self) -> None:
        if self.dirty:
            return
        entries = self.ledger.entries
        for number in {number for entry in entries.values() for number in entry.held}:
            holders = [entry for entry in entries.values() if number in entry.held]
            for one in holders:
                for other in holders:
                    fits = one.demand.terms.go_with(other.demand.terms)
                    assert one is other or fits, f"{address_of(number)}: {one.service.key}, {other.service.key}"

    @invariant()
    def the_indexes_are_what_a_scan_finds(self) -> None:
        holdings, entries = self.ledger.holdings, self.ledger.entries
        held: dict[int, set[ServiceKey]] = {}
        for key, entry in entries.items():
            for number in entry.held:
                held.setdefault(number, set()).add(key)
        everywhere = {*map(number_of, ADDRESSES), *held}
        assert {n: set(found) for n in everywhere if (found := holdings.holders_of(n))} == held
        assert holdings.stranded == {number for number in held if holdings.pools.pool_at(number) is None}
        for name, pool in holdings.pools.by_name.items():
            inside = {number_of(address) for address in ADDRESSES if address in pool}
            assert holdings.held_in(name) == inside & held.keys()
        assert self.ledger.waiting.tokens.keys() <= entries.keys()


def _states(outcomes: dict[ServiceKey, Outcome]) -> dict[ServiceKey, Outcome]:
    """Without what is news only."""
    return {
        key: outcome._replace(moved=()) if isinstance(outcome, Assignment) else outcome
        for key, outcome in outcomes.items()
    }


class PlanningWithReassign(Planning):
    """The same where stranded addresses are taken away."""

    stranded = Stranded.REASSIGN


_EXAMPLES = int(os.environ.get("HERALDLB_EXAMPLES", "60"))
_SAME = "HERALDLB_EXAMPLES" not in os.environ
TestPlanning = Planning.TestCase
TestPlanning.settings = settings(max_examples=_EXAMPLES, stateful_step_count=25, derandomize=_SAME)
TestPlanningWithReassign = PlanningWithReassign.TestCase
TestPlanningWithReassign.settings = settings(max_examples=_EXAMPLES // 2, stateful_step_count=25, derandomize=_SAME)

"""Values for allocation tests, with as few words as possible."""

from collections.abc import Iterable
from ipaddress import ip_address

from lb_controller.allocation.changes import (
    AllocationSettings,
    Change,
    ConfigChanged,
    NamespacesChanged,
    QuarantineChanged,
    ServiceChanged,
)
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.outcome import Assignment, Outcome, Refusal
from lb_controller.allocation.planner import plan
from lb_controller.model.address import parse_range
from lb_controller.model.cluster import FamilyPolicy, Namespace, Port, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import Config, Pool, ServiceAllocation, SharingScope
from lb_controller.model.selectors import LabelSelector, Operator, Requirement

V4, V6 = "10.96.0.9", "fd00:96::9"


def pool(
    name: str,
    *ranges: str,
    auto: bool = True,
    buggy: bool = False,
    allocation: ServiceAllocation | None = None,
    scope: SharingScope = SharingScope.NAMESPACE,
) -> Pool:
    parts = tuple(parse_range(text) for text in ranges)
    return Pool(name, parts, auto_assign=auto, avoid_buggy_ips=buggy, allocation=allocation, sharing_scope=scope)


def labelled(key: str, value: str) -> LabelSelector:
    return LabelSelector((Requirement(key, Operator.IN, frozenset({value})),))


def service(
    name: str,
    *,
    ips: tuple[str, ...] = (V4,),
    policy: FamilyPolicy = FamilyPolicy.SINGLE_STACK,
    held: tuple[str, ...] = (),
    notes: dict[str, str] | None = None,
    ports: tuple[int, ...] = (80,),
    local: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    wanted: str = "",
) -> Service:
    namespace, _, short = name.rpartition("/")
    return Service(
        key=ServiceKey(namespace or "default", short),
        uid=f"uid-{name}",
        created=short,
        labels=labels or {},
        annotations={f"heraldlb.io/{key}": value for key, value in (notes or {}).items()},
        load_balancer_ip=wanted,
        cluster_ips=tuple(ip_address(text) for text in ips),
        family_policy=policy,
        traffic_policy=TrafficPolicy.CLUSTER if local is None else TrafficPolicy.LOCAL,
        selector=local or {"app": "x"},
        ports=tuple(Port("TCP", port) for port in ports),
        ingress=tuple(ip_address(text) for text in held),
    )


class World:
    """A ledger with its pools, and what was decided last for each Service."""

    def __init__(self, *pools: Pool, settings: AllocationSettings | None = None) -> None:
        self.ledger = Ledger(settings)
        self.outcomes: dict[ServiceKey, Outcome] = {}
        self.pools(*pools)

    def pools(self, *pools: Pool) -> set[str]:
        return self.take(ConfigChanged(Config(pools=pools)))

    def namespaces(self, **labels: dict[str, str]) -> set[str]:
        return self.take(NamespacesChanged({name: Namespace(name, found) for name, found in labels.items()}))

    def put(self, *services: Service) -> None:
        dirty = set().union(*(self.ledger.apply(ServiceChanged(found)) for found in services))
        self.outcomes |= plan(self.ledger, dirty)

    def quarantine(self, *addresses: str) -> set[str]:
        return self.take(QuarantineChanged(frozenset(map(ip_address, addresses))))

    def take(self, change: Change) -> set[str]:
        """Apply a change; returns the names of the Services that were planned again."""
        return self.settle(self.ledger.apply(change))

    def settle(self, dirty: Iterable[ServiceKey] = ()) -> set[str]:
        planned = plan(self.ledger, dirty)
        self.outcomes |= planned
        return {key.name for key in planned}

    def of(self, name: str) -> Outcome:
        namespace, _, short = name.rpartition("/")
        return self.outcomes[ServiceKey(namespace or "default", short)]

    def addresses(self, name: str) -> list[str]:
        outcome = self.of(name)
        assert isinstance(outcome, Assignment), outcome
        return [str(address) for address in outcome.addresses]

    def refusal(self, name: str) -> Refusal:
        outcome = self.of(name)
        assert isinstance(outcome, Refusal), outcome
        return outcome

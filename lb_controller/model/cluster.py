"""Facts about the cluster that decisions need: Services, nodes, namespaces, endpoints. Values only.

Each class holds just what a decision reads, so that 10,000 Services cost little memory and compare cheaply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType
from typing import NamedTuple

from lb_controller.model.address import Address, Family, Network

_EMPTY: Mapping[str, str] = MappingProxyType({})


def _empty() -> Mapping[str, str]:
    return _EMPTY


class ServiceKey(NamedTuple):
    """Namespace and name of a Service."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@unique
class FamilyPolicy(StrEnum):
    """`spec.ipFamilyPolicy`."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


@unique
class TrafficPolicy(StrEnum):
    """`spec.externalTrafficPolicy`."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Port(NamedTuple):
    """What may not be used twice on one address: protocol (TCP, UDP, SCTP) and port number."""

    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of `status.conditions`."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int = 0
    last_transition_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service of type LoadBalancer as the API server knows it.

    `ingress` holds the addresses of `status.loadBalancer.ingress`, in order; `annotations` only those with a prefix
    that HeraldLB reads or writes; `conditions` only those that HeraldLB writes.
    """

    key: ServiceKey
    uid: str
    resource_version: str = ""
    generation: int = 0
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    load_balancer_class: str | None = None
    load_balancer_ip: str = ""
    cluster_ips: tuple[Address, ...] = ()
    families: tuple[Family, ...] = ()
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE_STACK
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    selector: Mapping[str, str] = field(default_factory=_empty)
    ports: tuple[Port, ...] = ()
    health_check_node_port: int = 0
    ingress: tuple[Address, ...] = ()
    conditions: tuple[Condition, ...] = ()
    deleting: bool = False

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was written."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: `addresses` are its InternalIPs; `ready` and `network_unavailable` its conditions of these names.

    `pod_cidrs` are the networks that Kubernetes gave it for pods; a network plugin may use others.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=_empty)
    ready: bool = True
    network_unavailable: bool = False
    unschedulable: bool = False
    deleting: bool = False
    addresses: tuple[Address, ...] = ()
    pod_cidrs: tuple[Network, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True)
class ServiceCIDR:
    """Networks that cluster IPs come from."""

    name: str
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Rival:
    """A pod of another load balancer; `class_` is the spec.loadBalancerClass that it serves, None: those without."""

    name: str
    class_: str | None = None
    running: bool = True


@dataclass(frozen=True, slots=True)
class Contest:
    """The rivals that run: Services of their classes are theirs as long as they do."""

    rivals: frozenset[Rival] = frozenset()

    @property
    def classes(self) -> frozenset[str | None]:
        return frozenset(rival.class_ for rival in self.rivals)

    @property
    def names(self) -> list[str]:
        return sorted(rival.name for rival in self.rivals)

    def over(self, service: Service) -> bool:
        """Whether a rival serves the Service."""
        return any(rival.class_ == service.load_balancer_class for rival in self.rivals)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a Service. `ready` and `serving` as kube-proxy reads them: unset `ready` means ready.

    `programmed`: False where kube-proxy on its node is known not to carry traffic to it yet (policy Local).
    """

    node: str | None
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    programmed: bool = True

    @property
    def usable(self) -> bool:
        """Whether kube-proxy may send it traffic: ready, or serving while it terminates."""
        return self.ready or self.serving


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """The endpoints of one slice and the Service that it belongs to."""

    namespace: str
    name: str
    service: str
    endpoints: tuple[Endpoint, ...] = ()

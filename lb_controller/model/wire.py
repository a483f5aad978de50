"""Kubernetes' own objects as they come over the wire, cut down to the fields that HeraldLB reads.

msgspec decodes JSON straight into these: unknown fields cost nothing, and a list of 10,000 Services needs half the
memory of dicts. Custom resources are not here: `parse` reads them as plain mappings, so that it can name a field of
the wrong type.
"""

import msgspec


class Wire(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """Ground of the wire structs: camelCase on the wire, unknown fields dropped."""


class ObjectMeta(Wire):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class ServicePort(Wire):
    """spec.ports[]."""

    port: int
    name: str = ""
    protocol: str = "TCP"


class ServiceSpec(Wire):
    """spec of a Service."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    ip_families: list[str] | None = None
    ip_family_policy: str | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None


class Ingress(Wire):
    """status.loadBalancer.ingress[]."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = None


class LoadBalancerStatus(Wire):
    """status.loadBalancer."""

    ingress: list[Ingress] | None = None


class Condition(Wire):
    """metav1.Condition, and the conditions of a Node."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str | None = None


class ServiceStatus(Wire):
    """status of a Service."""

    load_balancer: LoadBalancerStatus | None = None
    conditions: list[Condition] | None = None


class Service(Wire):
    """v1 Service."""

    metadata: ObjectMeta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


class NodeAddress(Wire):
    """status.addresses[] of a Node."""

    type: str
    address: str


class NodeSpec(Wire):
    """spec of a Node."""

    unschedulable: bool = False
    pod_cidrs: list[str] | None = msgspec.field(default=None, name="podCIDRs")


class NodeStatus(Wire):
    """status of a Node."""

    conditions: list[Condition] | None = None
    addresses: list[NodeAddress] | None = None


class Node(Wire):
    """v1 Node."""

    metadata: ObjectMeta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Namespace(Wire):
    """v1 Namespace."""

    metadata: ObjectMeta


class Container(Wire):
    """spec.containers[] of a Pod."""

    args: list[str] | None = None
    command: list[str] | None = None


class PodSpec(Wire):
    """spec of a Pod."""

    containers: list[Container] | None = None


class PodStatus(Wire):
    """status of a Pod."""

    phase: str = ""


class Pod(Wire):
    """v1 Pod."""

    metadata: ObjectMeta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ServiceCIDRSpec(Wire):
    """spec of a ServiceCIDR."""

    cidrs: list[str] | None = None


class ServiceCIDR(Wire):
    """networking.k8s.io/v1 ServiceCIDR."""

    metadata: ObjectMeta
    spec: ServiceCIDRSpec = msgspec.field(default_factory=ServiceCIDRSpec)


class EndpointConditions(Wire):
    """conditions of an endpoint: unset means true for ready and serving, false for terminating."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Wire):
    """endpoints[] of an EndpointSlice."""

    node_name: str | None = None
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)


class EndpointSlice(Wire):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: ObjectMeta
    endpoints: list[Endpoint] | None = None

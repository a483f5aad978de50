"""Kubernetes' own objects: wire structs to values.

Lenient: the API server has validated them, and odd values are left out.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from lb_controller.model import names, wire
from lb_controller.model.address import Address, Family, Network, family_of, parse_address
from lb_controller.model.cluster import (
    Condition,
    Endpoint,
    EndpointSlice,
    FamilyPolicy,
    Namespace,
    Node,
    Port,
    Rival,
    Service,
    ServiceCIDR,
    ServiceKey,
    TrafficPolicy,
)

_PREFIXES = (f"{names.GROUP}/", f"{names.METALLB_GROUP}/", names.DEPRECATED_PREFIX)


def key_of(metadata: wire.ObjectMeta) -> ServiceKey:
    """The key of a Service by its metadata."""
    return ServiceKey(metadata.namespace, metadata.name)


def service(found: wire.Service) -> Service:
    """A Service; cluster IPs `None` and ingress entries without address are left out."""
    metadata, spec, status = found.metadata, found.spec, found.status
    balancer = status.load_balancer.ingress if status.load_balancer is not None else None
    cluster_ips = _addresses(spec.cluster_ips or [spec.cluster_ip])
    families = tuple(Family(word) for word in spec.ip_families or () if word in list(Family))
    policy = spec.ip_family_policy or ""
    return Service(
        key=key_of(metadata),
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        created=metadata.creation_timestamp or "",
        labels=metadata.labels or {},
        annotations=_ours(metadata.annotations or {}),
        load_balancer_class=spec.load_balancer_class,
        load_balancer_ip=spec.load_balancer_ip,
        cluster_ips=cluster_ips,
        families=families or tuple(family_of(address) for address in cluster_ips),
        family_policy=FamilyPolicy(policy) if policy in list(FamilyPolicy) else FamilyPolicy.SINGLE_STACK,
        traffic_policy=TrafficPolicy.LOCAL if spec.external_traffic_policy == "Local" else TrafficPolicy.CLUSTER,
        selector=spec.selector or {},
        ports=tuple(Port(port.protocol, port.port) for port in spec.ports or ()),
        health_check_node_port=spec.health_check_node_port,
        ingress=_addresses([entry.ip for entry in balancer or ()]),
        conditions=_conditions(status.conditions or ()),
        deleting=metadata.deletion_timestamp is not None,
    )


def node(found: wire.Node) -> Node:
    """A Node; without a Ready condition it is not ready."""
    conditions = {condition.type: condition.status for condition in found.status.conditions or ()}
    internal = [entry.address for entry in found.status.addresses or () if entry.type == "InternalIP"]
    return Node(
        name=found.metadata.name,
        labels=found.metadata.labels or {},
        ready=conditions.get(names.NODE_CONDITION_READY) == "True",
        network_unavailable=conditions.get(names.NODE_CONDITION_NETWORK_UNAVAILABLE) == "True",
        unschedulable=found.spec.unschedulable,
        deleting=found.metadata.deletion_timestamp is not None,
        addresses=_addresses(internal),
        pod_cidrs=_networks(found.spec.pod_cidrs or ()),
        uid=found.metadata.uid,
    )


def namespace(found: wire.Namespace) -> Namespace:
    """A Namespace and its labels."""
    return Namespace(found.metadata.name, found.metadata.labels or {})


def rival(found: wire.Pod) -> Rival:
    """A pod of MetalLB: the class that it serves stands in its arguments; a terminating pod still runs."""
    words = [
        word
        for container in found.spec.containers or ()
        for word in (*(container.command or ()), *(container.args or ()))
    ]
    given = [word.removeprefix(names.METALLB_CLASS_FLAG) for word in words if word.startswith(names.METALLB_CLASS_FLAG)]
    name = f"{found.metadata.namespace}/{found.metadata.name}"
    return Rival(name, (given[-1] if given else "") or None, running=found.status.phase == "Running")


def service_cidr(found: wire.ServiceCIDR) -> ServiceCIDR:
    """The networks of a ServiceCIDR."""
    return ServiceCIDR(found.metadata.name, _networks(found.spec.cidrs or ()))


def endpoint_slice(found: wire.EndpointSlice) -> EndpointSlice:
    """An EndpointSlice; unset conditions mean what kube-proxy takes them for."""
    return EndpointSlice(
        namespace=found.metadata.namespace,
        name=found.metadata.name,
        service=(found.metadata.labels or {}).get(names.LABEL_SERVICE_NAME, ""),
        endpoints=tuple(_endpoint(entry) for entry in found.endpoints or ()),
    )


def _endpoint(entry: wire.Endpoint) -> Endpoint:
    conditions = entry.conditions
    ready = conditions.ready is not False
    serving = ready if conditions.serving is None else conditions.serving
    return Endpoint(entry.node_name, ready, serving, conditions.terminating is True)


def _ours(annotations: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in annotations.items() if key.startswith(_PREFIXES)}


def _addresses(texts: list[str]) -> tuple[Address, ...]:
    kept = []
    for text in texts:
        try:
            kept.append(parse_address(text))
        except ValueError:
            continue  # "None" of a headless Service, or a hostname
    return tuple(kept)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    kept = []
    for text in texts:
        try:
            kept.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(kept)


def _conditions(found: list[wire.Condition] | tuple[()]) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            entry.type,
            entry.status,
            entry.reason,
            entry.message,
            entry.observed_generation,
            entry.last_transition_time or "",
        )
        for entry in found
        if entry.type in (names.CONDITION_ASSIGNED, names.CONDITION_ANNOUNCED)
    )

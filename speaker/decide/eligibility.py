"""Which nodes may announce an address: rules that layer 2 and BGP share.

A node may announce when it is ready, has a network, is not being deleted and does not carry the label
node.kubernetes.io/exclude-from-external-load-balancers. A Service can be served from a node when kube-proxy there would
carry its traffic on: for externalTrafficPolicy Cluster if it has a usable endpoint anywhere, for Local if it has one
there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lb_controller.model import names
from lb_controller.model.cluster import Endpoint, Node, Service, TrafficPolicy
from lb_controller.model.reasons import OmissionReason
from lb_controller.model.selectors import LabelSelector, any_matches
from speaker.decide.facts import Omission

OBSTACLES: Final = {
    OmissionReason.NODE_NOT_READY: "is not ready",
    OmissionReason.NODE_NETWORK_UNAVAILABLE: "has the condition NetworkUnavailable",
    OmissionReason.NODE_EXCLUDED: f"carries the label {names.LABEL_EXCLUDE_NODE}",
}


def node_obstacle(node: Node, *, ignore_exclusion: bool = False) -> OmissionReason | None:
    """Why the node may announce nothing, None when it may."""
    if node.deleting or not node.ready:
        return OmissionReason.NODE_NOT_READY
    if node.network_unavailable:
        return OmissionReason.NODE_NETWORK_UNAVAILABLE
    if names.LABEL_EXCLUDE_NODE in node.labels and not ignore_exclusion:
        return OmissionReason.NODE_EXCLUDED
    return None


def selected(selectors: Sequence[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Whether selectors of an advertisement or peer select an object with these labels; none given select all."""
    return not selectors or any_matches(selectors, labels)


def serving_nodes(service: Service, endpoints: Iterable[Endpoint]) -> frozenset[str] | None:
    """The nodes from which the Service can be served; None: any node."""
    usable = [endpoint for endpoint in endpoints if endpoint.usable]
    if service.traffic_policy is TrafficPolicy.LOCAL:
        return frozenset(endpoint.node for endpoint in usable if endpoint.node is not None and endpoint.programmed)
    return None if usable else frozenset()


def not_programmed(service: Service, endpoints: Iterable[Endpoint]) -> Omission | None:
    """What is said where kube-proxy alone keeps the Service from being served; None: it does not."""
    nodes = sorted({endpoint.node or "" for endpoint in endpoints if endpoint.usable and not endpoint.programmed})
    if not nodes:
        return None
    message = (
        f"kube-proxy on node {', '.join(nodes)} does not carry traffic to the endpoints of Service {service.key} there "
        f"yet, by its healthCheckNodePort {service.health_check_node_port} (policy Local)"
    )
    return Omission(OmissionReason.NODE_CANNOT_FORWARD, message)


def without_endpoints(service: Service) -> Omission:
    """The Service has no usable endpoint at all."""
    message = f"Service {service.key} has no ready endpoint; its address is announced as soon as a pod is ready"
    return Omission(OmissionReason.NO_USABLE_ENDPOINT, message)

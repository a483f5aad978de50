"""What the speaker knows of the cluster: Services with addresses, nodes, endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey
from lb_controller.model.reasons import OmissionReason


@dataclass(frozen=True, slots=True)
class Cluster:
    """The facts of one moment; `endpoints` holds those of all slices of a Service."""

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    endpoints: Mapping[ServiceKey, tuple[Endpoint, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Omission:
    """Why an address of a Service is not announced; `message` is a sentence for its user."""

    reason: OmissionReason
    message: str

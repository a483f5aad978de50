"""What the controller reads: the resources, and how an object of each becomes a value.

The three ways in (watch events as mappings, lists and answers as JSON) end in the same Sighting. A source is named by
the kind of its objects; those of MetalLB's group have the group before it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lb_controller.app.observed import Key, Sighting
from lb_controller.kube.resources import (
    LOAD_BALANCERS_ONLY,
    NAMESPACES,
    NODES,
    SERVICE_CIDRS,
    SERVICES,
    Resource,
    custom,
    metallb,
)
from lb_controller.kube.store import Meta
from lb_controller.model import names, wire
from lb_controller.model.cluster import Namespace, Node, Service, ServiceCIDR
from lb_controller.model.config import Origin
from lb_controller.model.parse import core
from lb_controller.model.parse.objects import RawObject

SERVICE: Final = "Service"
NAMESPACE: Final = "Namespace"
NODE: Final = "Node"
SERVICE_CIDR: Final = "ServiceCIDR"

Value = Service | Namespace | Node | ServiceCIDR | RawObject
Sources = Mapping[str, Resource]

SOURCES: Final[dict[str, Resource]] = {
    SERVICE: SERVICES,
    NAMESPACE: NAMESPACES,
    NODE: NODES,
    SERVICE_CIDR: SERVICE_CIDRS,
    **{kind: custom(kind) for kind in names.PLURALS},
}
FIELD_SELECTORS: Final = {SERVICE: LOAD_BALANCERS_ONLY}


def sources(metallb_namespace: str) -> dict[str, Resource]:
    """All sources; MetalLB's objects are those of this namespace, "" for none."""
    if not metallb_namespace:
        return SOURCES
    theirs = {f"{names.METALLB_GROUP}/{kind}": metallb(kind, metallb_namespace) for kind in names.PLURALS}
    return {**SOURCES, **theirs}


def custom_sources(known: Iterable[str]) -> list[str]:
    """Those of `known` whose objects are custom resources of either group."""
    return [source for source in known if source.rpartition("/")[2] in names.PLURALS]


@dataclass(frozen=True, slots=True)
class _Core:
    """A resource of Kubernetes itself: its wire struct, and how that becomes a value."""

    struct: type[wire.Wire]
    read: Callable[[Any], Value]

    def sighting(self, found: Any) -> Sighting[Value]:
        return Sighting(*place_of(found.metadata), self.read(found))


_CORE: Final = {
    SERVICE: _Core(wire.Service, core.service),
    NAMESPACE: _Core(wire.Namespace, core.namespace),
    NODE: _Core(wire.Node, core.node),
    SERVICE_CIDR: _Core(wire.ServiceCIDR, core.service_cidr),
}
_DECODERS: Final = {source: msgspec.json.Decoder(entry.struct) for source, entry in _CORE.items()}


class _Identity(msgspec.Struct):
    metadata: Meta


def from_mapping(source: str, body: Mapping[str, Any]) -> Sighting[Value]:
    """An object that was decoded already. Raises ValueError (msgspec's too) when it cannot be read."""
    if entry := _CORE.get(source):
        return entry.sighting(msgspec.convert(body, entry.struct))
    key, version = place_of(msgspec.convert(body, _Identity).metadata)
    group, _, kind = source.rpartition("/")
    return Sighting(key, version, RawObject(kind, Origin(group or names.GROUP), body))


def from_json(source: str, raw: bytes | msgspec.Raw) -> Sighting[Value]:
    """An object as JSON. Raises ValueError (msgspec's too) when it cannot be read."""
    if entry := _CORE.get(source):
        return entry.sighting(_DECODERS[source].decode(raw))
    return from_mapping(source, msgspec.json.decode(raw))


class _Typed(msgspec.Struct):
    class Spec(msgspec.Struct):
        """The only field of interest."""

        type: str = ""

    spec: Spec = msgspec.field(default_factory=Spec)


_typed = msgspec.json.Decoder(_Typed)


def is_watched(source: str, raw: bytes) -> bool:
    """Whether an object fetched by itself is one that the watch of its source would show."""
    return source != SERVICE or _typed.decode(raw).spec.type == "LoadBalancer"


def place_of(metadata: Meta | wire.ObjectMeta) -> tuple[Key, int]:
    """Key and version: resourceVersions of one resource compare as numbers."""
    return (metadata.namespace, metadata.name), int(metadata.resource_version or 0)

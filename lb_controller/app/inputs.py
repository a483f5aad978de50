"""What the controller reads: the resources, and how an object of each becomes a value.

The three ways in (watch events as mappings, lists and answers as JSON) end in the same Sighting.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lb_controller.app.observed import Key, Sighting
from lb_controller.kube.resources import LOAD_BALANCERS_ONLY, NAMESPACES, SERVICES, Resource, custom
from lb_controller.kube.store import Meta
from lb_controller.model import names, wire
from lb_controller.model.cluster import Namespace, Service
from lb_controller.model.config import Origin
from lb_controller.model.parse import core
from lb_controller.model.parse.objects import RawObject

SERVICE: Final = "Service"
NAMESPACE: Final = "Namespace"

Value = Service | Namespace | RawObject

SOURCES: Final[dict[str, Resource]] = {
    SERVICE: SERVICES,
    NAMESPACE: NAMESPACES,
    **{kind: custom(kind) for kind in names.PLURALS},
}
FIELD_SELECTORS: Final = {SERVICE: LOAD_BALANCERS_ONLY}

_service = msgspec.json.Decoder(wire.Service)
_namespace = msgspec.json.Decoder(wire.Namespace)


class _Identity(msgspec.Struct):
    metadata: Meta


def from_mapping(source: str, body: Mapping[str, Any]) -> Sighting[Value]:
    """An object that was decoded already. Raises ValueError (msgspec's too) when it cannot be read."""
    match source:
        case "Service":
            found = msgspec.convert(body, wire.Service)
            return Sighting(*place_of(found.metadata), core.service(found))
        case "Namespace":
            space = msgspec.convert(body, wire.Namespace)
            return Sighting(*place_of(space.metadata), core.namespace(space))
        case _:
            key, version = place_of(msgspec.convert(body, _Identity).metadata)
            return Sighting(key, version, RawObject(source, Origin.HERALDLB, body))


def from_json(source: str, raw: bytes | msgspec.Raw) -> Sighting[Value]:
    """An object as JSON. Raises ValueError (msgspec's too) when it cannot be read."""
    match source:
        case "Service":
            found = _service.decode(raw)
            return Sighting(*place_of(found.metadata), core.service(found))
        case "Namespace":
            space = _namespace.decode(raw)
            return Sighting(*place_of(space.metadata), core.namespace(space))
        case _:
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

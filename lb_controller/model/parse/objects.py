"""One custom resource each: pool, L2Advertisement, BFDProfile; those of BGP stand in `advertisements` and `peers`.

Each function reads one object alone; rules between objects stand in `config`. Field meanings: MetalLB's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from lb_controller.model import names
from lb_controller.model.address import AddressRange, parse_range
from lb_controller.model.cluster import Condition
from lb_controller.model.config import (
    BFDProfile,
    L2Advertisement,
    NodePreference,
    Origin,
    Pool,
    PoolSelection,
    ServiceAllocation,
    SharingScope,
)
from lb_controller.model.parse.claims import Claims
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.parse.reader import Reader


@dataclass(frozen=True, slots=True)
class RawObject:
    """A custom resource as it was decoded: its kind, the API group that it came from, the whole mapping."""

    kind: str
    origin: Origin
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        metadata = self.body.get("metadata")
        found = metadata.get("name") if isinstance(metadata, Mapping) else None
        return found if isinstance(found, str) else ""

    @property
    def age_key(self) -> tuple[str, str]:
        """Sorts the older first, then by name: the older keeps what two objects claim."""
        metadata = self.body.get("metadata")
        created = metadata.get("creationTimestamp") if isinstance(metadata, Mapping) else None
        return (created if isinstance(created, str) else "", self.name)

    def reader(self, problems: list[Problem]) -> Reader:
        """A reader of spec."""
        about = (self.kind, self.name, self.origin)
        spec = self.body.get("spec")
        return Reader({} if spec is None else spec, "spec", about, problems)

    @property
    def generation(self) -> int:
        metadata = self.body.get("metadata")
        found = metadata.get("generation") if isinstance(metadata, Mapping) else None
        return found if isinstance(found, int) else 0

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type in the object's status, if there is one."""
        found = self.body.get("status")
        entries = found.get("conditions") if isinstance(found, Mapping) else None
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and entry.get("type") == type_:
                status, reason, message = (str(entry.get(name, "")) for name in ("status", "reason", "message"))
                since = str(entry.get("lastTransitionTime", ""))
                return Condition(type_, status, reason, message, last_transition_time=since)
        return None

    def annotation(self, name: str) -> str:
        """The annotation's value, "" when it is not there."""
        metadata = self.body.get("metadata")
        found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
        value = found.get(name, "") if isinstance(found, Mapping) else ""
        return value if isinstance(value, str) else ""

    def labels(self) -> Mapping[str, str]:
        metadata = self.body.get("metadata")
        found = metadata.get("labels") if isinstance(metadata, Mapping) else None
        if not isinstance(found, Mapping):
            return {}
        return {str(key): str(value) for key, value in found.items()}


def pool(raw: RawObject, problems: list[Problem]) -> Pool | None:
    """An IPAddressPool, or None when its addresses cannot be used."""
    before = _errors(problems)
    spec = raw.reader(problems)
    ranges = _ranges(raw, spec)
    scope = spec.text("sharingScope", _default_scope(raw.origin))
    if scope not in list(SharingScope):
        spec.wrong("sharingScope", f"{scope!r} is neither Namespace nor Cluster")
        scope = SharingScope.NAMESPACE
    found = Pool(
        name=raw.name,
        ranges=ranges,
        auto_assign=spec.flag("autoAssign", True),
        avoid_buggy_ips=spec.flag("avoidBuggyIPs", False),
        allocation=_allocation(spec.sub("serviceAllocation")) if spec.has("serviceAllocation") else None,
        sharing_scope=SharingScope(scope),
        labels=raw.labels(),
        origin=raw.origin,
    )
    return found if _errors(problems) == before else None


def _errors(problems: list[Problem]) -> int:
    return sum(problem.severity is Severity.ERROR for problem in problems)


def _default_scope(origin: Origin) -> str:
    return SharingScope.NAMESPACE if origin is Origin.HERALDLB else SharingScope.CLUSTER


def _ranges(raw: RawObject, spec: Reader) -> tuple[AddressRange, ...]:
    kept: list[AddressRange] = []
    claims = Claims()
    for index, text in enumerate(spec.items("addresses")):
        field = f"addresses[{index}]"
        if not isinstance(text, str):
            spec.wrong(field, "must be text: a CIDR or FIRST-LAST")
            continue
        try:
            part = parse_range(text, host_bits=raw.origin is Origin.METALLB)
        except ValueError as error:
            spec.wrong(field, str(error))
            continue
        if "/" in text and ip_interface(text.strip()).ip != part.first:
            spec.warn(field, f"{text.strip()!r} has host bits set; read as {part}, as MetalLB does")
        if rival := claims.rival(part):
            spec.wrong(field, f"{text.strip()!r} overlaps {rival[0]} of the same pool; remove one")
            continue
        claims.add(part, raw.name)
        kept.append(part)
    if spec.value.get("addresses") in (None, []):
        spec.wrong("addresses", "is empty; write at least one CIDR or range")
    return tuple(kept)


def _allocation(spec: Reader) -> ServiceAllocation:
    return ServiceAllocation(
        priority=spec.number("priority", 0, 2**31 - 1) or 0,
        namespaces=frozenset(spec.texts("namespaces")),
        namespace_selectors=spec.selectors("namespaceSelectors"),
        service_selectors=spec.selectors("serviceSelectors"),
    )


def selection(spec: Reader) -> PoolSelection:
    """The pools that an advertisement is for."""
    return PoolSelection(frozenset(spec.texts("ipAddressPools")), spec.selectors("ipAddressPoolSelectors"))


def l2_advertisement(raw: RawObject, problems: list[Problem]) -> L2Advertisement | None:
    """An L2Advertisement, or None when a field cannot be used."""
    before = len(problems)
    spec = raw.reader(problems)
    preferences = []
    for reader in spec.subs("preferredNodeSelectors"):
        weight = reader.number("weight", 1, 100)
        if not reader.has("preference"):
            reader.wrong("preference", "is missing; write a label selector, {} for every node")
        selector = reader.sub("preference").selector()
        if weight is None and not reader.has("weight"):
            reader.wrong("weight", "is missing; write a number from 1 to 100")
        if weight is not None and selector is not None:
            preferences.append(NodePreference(weight, selector))
    found = L2Advertisement(
        name=raw.name,
        pools=selection(spec),
        node_selectors=spec.selectors("nodeSelectors"),
        service_selectors=spec.selectors("serviceSelectors"),
        interfaces=frozenset(spec.texts("interfaces")),
        preferences=tuple(preferences),
        rebalance=raw.annotation(names.ANNOTATION_REBALANCE).strip(),
        origin=raw.origin,
    )
    return found if len(problems) == before else None


def bfd_profile(raw: RawObject, problems: list[Problem]) -> BFDProfile | None:
    """A BFDProfile, or None when a field cannot be used. Intervals are in milliseconds."""
    before = len(problems)
    spec = raw.reader(problems)
    found = BFDProfile(
        name=raw.name,
        detect_multiplier=spec.number("detectMultiplier", 2, 255),
        receive_interval_ms=spec.number("receiveInterval", 10, 60000),
        transmit_interval_ms=spec.number("transmitInterval", 10, 60000),
        echo_interval_ms=spec.number("echoInterval", 10, 60000),
        echo_mode=spec.flag("echoMode", False),
        passive_mode=spec.flag("passiveMode", False),
        minimum_ttl=spec.number("minimumTtl", 1, 254),
        origin=raw.origin,
    )
    return found if len(problems) == before else None


KINDS = tuple(names.PLURALS)

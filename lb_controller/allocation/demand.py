"""What a Service asks for, read from its annotations and spec.

Annotations of our own prefix win over MetalLB's, those over MetalLB's deprecated ones (model.names). The families are
those of the Service's cluster IPs: `families` is what it wants, primary first; `whole` says that it wants all of them
or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lb_controller.allocation.outcome import Refusal
from lb_controller.model import names
from lb_controller.model.address import Address, Family, family_of, parse_address
from lb_controller.model.cluster import FamilyPolicy, Port, Service, TrafficPolicy
from lb_controller.model.reasons import RefusalReason


@dataclass(frozen=True, slots=True)
class Demand:
    """What one Service asks for; `addresses` and `pool` are empty when it does not care."""

    families: tuple[Family, ...]
    whole: bool
    addresses: tuple[Address, ...] = ()
    pool: str = ""
    sharing_key: str = ""
    backend: tuple[tuple[str, str], ...] | None = None  # None: externalTrafficPolicy Cluster; else the selector
    ports: frozenset[Port] = frozenset()

    def in_order(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """The addresses in the order of the Service's families."""
        return tuple(sorted(addresses, key=lambda address: self.families.index(family_of(address))))


def annotation(annotations: Mapping[str, str], keys: Sequence[str]) -> str | None:
    """The value of the first of the keys that is set."""
    return next((annotations[key] for key in keys if key in annotations), None)


def read_demand(service: Service) -> Demand | Refusal:
    """The demand of a Service, or why it cannot be understood."""
    families = _families(service)
    if not families:
        message = f"Service {service.key} has no cluster IP; a LoadBalancer Service needs one of each family it serves"
        return Refusal(RefusalReason.NO_CLUSTER_IP, message)
    if service.family_policy is FamilyPolicy.REQUIRE_DUAL_STACK and len(families) < 2:
        message = f"Service {service.key} requires dual stack but has a cluster IP of {families[0]} only"
        return Refusal(RefusalReason.FAMILY_MISMATCH, message)
    addresses = _addresses(service)
    if isinstance(addresses, Refusal):
        return addresses
    whole = service.family_policy is not FamilyPolicy.PREFER_DUAL_STACK or len(families) == 1
    if refusal := _wrong_families(service, addresses, families, whole=whole):
        return refusal
    local = service.traffic_policy is TrafficPolicy.LOCAL
    return Demand(
        families=families,
        whole=whole,
        addresses=addresses,
        pool=annotation(service.annotations, names.ANNOTATION_ADDRESS_POOL) or "",
        sharing_key=annotation(service.annotations, names.ANNOTATION_SHARING_KEY) or "",
        backend=tuple(sorted(service.selector.items())) if local else None,
        ports=frozenset(service.ports),
    )


def _families(service: Service) -> tuple[Family, ...]:
    found = dict.fromkeys(family_of(address) for address in service.cluster_ips)
    return tuple(found)


def _addresses(service: Service) -> tuple[Address, ...] | Refusal:
    text = annotation(service.annotations, names.ANNOTATION_ADDRESSES)
    if text is not None and service.load_balancer_ip:
        return _bad(service, "sets both the annotation loadBalancerIPs and spec.loadBalancerIP; remove one of them")
    found: list[Address] = []
    for word in (text or service.load_balancer_ip).split(","):
        if not word.strip():
            continue
        try:
            address = parse_address(word)
        except ValueError as error:
            return _bad(service, f"asks for an address that cannot be read: {error}")
        if family_of(address) in map(family_of, found):
            return _bad(service, f"asks for two addresses of {family_of(address)}; write at most one of each family")
        found.append(address)
    if text is not None and not found:
        return _bad(service, "has an empty annotation loadBalancerIPs; write an address or remove it")
    return tuple(found)


def _wrong_families(
    service: Service, addresses: tuple[Address, ...], families: tuple[Family, ...], *, whole: bool
) -> Refusal | None:
    if not addresses:
        return None
    asked = {family_of(address) for address in addresses}
    if asked == set(families) or (not whole and asked <= set(families)):
        return None
    written = ", ".join(map(str, addresses))
    message = (
        f"Service {service.key} asks for {written}, but its cluster IPs are {' and '.join(families)}; "
        "ask for one address of each of these families"
    )
    return Refusal(RefusalReason.FAMILY_MISMATCH, message)


def _bad(service: Service, what: str) -> Refusal:
    return Refusal(RefusalReason.BAD_REQUEST, f"Service {service.key} {what}")

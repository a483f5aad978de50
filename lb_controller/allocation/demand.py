"""What a Service asks for, read from its annotations and spec.

Annotations of our own prefix win over MetalLB's, those over MetalLB's deprecated ones (model.names). The families are
those of the Service's cluster IPs: `families` is what it wants, primary first; `whole` says that it wants all of them
or none. A demand that cannot be understood has a `flaw`; its families and terms are known all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from lb_controller.allocation.numbers import address_of, family_at, number_of
from lb_controller.allocation.outcome import Refusal
from lb_controller.allocation.sharing import Backend, Terms
from lb_controller.model import names
from lb_controller.model.address import Family, parse_address
from lb_controller.model.cluster import FamilyPolicy, Port, Service, TrafficPolicy
from lb_controller.model.reasons import RefusalReason

_REQUESTS: Final = frozenset(
    {*names.ANNOTATION_ADDRESS_POOL, *names.ANNOTATION_ADDRESSES, *names.ANNOTATION_SHARING_KEY}
)
_POLICIES: Final = tuple(FamilyPolicy)
_NO_CLUSTER_IP: Final = Refusal(
    RefusalReason.NO_CLUSTER_IP, "has no cluster IP; a LoadBalancer Service needs one of each family it serves"
)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one Service asks for; `addresses` (as numbers) and `pool` are empty when it does not care."""

    families: tuple[Family, ...]
    whole: bool
    terms: Terms
    addresses: tuple[int, ...] = ()
    pool: str = ""
    flaw: Refusal | None = None
    plain: bool = False  # any address of one family will do

    def in_order(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """The addresses in the order of the Service's families."""
        return tuple(sorted(numbers, key=lambda number: self.families.index(family_at(number))))


def annotation(annotations: Mapping[str, str], keys: Sequence[str]) -> str | None:
    """The value of the first of the keys that is set."""
    return next((annotations[key] for key in keys if key in annotations), None)


def deprecated(service: Service) -> tuple[str, ...]:
    """The annotations with MetalLB's deprecated prefix by which the Service asks for something."""
    if not service.annotations:
        return ()
    return tuple(
        sorted(key for key in service.annotations if key in _REQUESTS and key.startswith(names.DEPRECATED_PREFIX))
    )


def read_demand(service: Service) -> Demand:
    """The demand of a Service. Services that ask for the same share one value."""
    local = service.traffic_policy is TrafficPolicy.LOCAL
    backend = tuple(sorted(service.selector.items())) if local else None
    asks = bool(service.annotations) and not _REQUESTS.isdisjoint(service.annotations)
    key = annotation(service.annotations, names.ANNOTATION_SHARING_KEY) or "" if asks else ""
    plain = _plain(_versions(service), _POLICIES.index(service.family_policy), key, backend, service.ports)
    if not asks and not service.load_balancer_ip and plain.families and plain.flaw is None:
        return plain
    flaw = plain.flaw if plain.families else _NO_CLUSTER_IP
    addresses = _addresses(service)
    if isinstance(addresses, Refusal):
        flaw, addresses = flaw or addresses, ()
    return replace(
        plain,
        addresses=addresses,
        pool=annotation(service.annotations, names.ANNOTATION_ADDRESS_POOL) or "",
        flaw=_about(service, flaw or _wrong_families(plain, addresses)),
        plain=False,
    )


@lru_cache(maxsize=4096)
def _plain(
    versions: tuple[int, ...], policy_index: int, key: str, backend: Backend | None, ports: tuple[Port, ...]
) -> Demand:
    """The demand of one that asks for nothing special. (Numbers, because to hash an enumeration member is slow.)"""
    families = tuple(Family.IPV4 if version == 4 else Family.IPV6 for version in versions)
    policy, flaw = _POLICIES[policy_index], None
    if policy is FamilyPolicy.REQUIRE_DUAL_STACK and len(families) == 1:
        flaw = Refusal(RefusalReason.FAMILY_MISMATCH, f"requires dual stack but has a cluster IP of {families[0]} only")
    whole = policy is not FamilyPolicy.PREFER_DUAL_STACK or len(families) < 2
    plain = len(families) == 1 and not key and flaw is None
    return Demand(families, whole, Terms(key, backend, frozenset(ports)), flaw=flaw, plain=plain)


def _versions(service: Service) -> tuple[int, ...]:
    found = service.cluster_ips
    return (found[0].version,) if len(found) == 1 else tuple(dict.fromkeys(address.version for address in found))


def _addresses(service: Service) -> tuple[int, ...] | Refusal:
    text = annotation(service.annotations, names.ANNOTATION_ADDRESSES)
    if text is not None and service.load_balancer_ip:
        return _bad("sets both the annotation loadBalancerIPs and spec.loadBalancerIP; remove one of them")
    found: list[int] = []
    for word in (text if text is not None else service.load_balancer_ip).split(","):
        if not word.strip():
            continue
        try:
            number = number_of(parse_address(word))
        except ValueError as error:
            return _bad(f"asks for an address that cannot be read: {error}")
        if family_at(number) in map(family_at, found):
            return _bad(f"asks for two addresses of {family_at(number)}; write at most one of each family")
        found.append(number)
    if text is not None and not found:
        return _bad("has an empty annotation loadBalancerIPs; write an address or remove it")
    return tuple(found)


def _wrong_families(plain: Demand, addresses: tuple[int, ...]) -> Refusal | None:
    asked = set(map(family_at, addresses))
    if not addresses or asked == set(plain.families) or (not plain.whole and asked <= set(plain.families)):
        return None
    written = ", ".join(str(address_of(number)) for number in addresses)
    message = (
        f"asks for {written}, but its cluster IPs are {' and '.join(plain.families)}; "
        "ask for one address of each of these families"
    )
    return Refusal(RefusalReason.FAMILY_MISMATCH, message)


def _bad(what: str) -> Refusal:
    return Refusal(RefusalReason.BAD_REQUEST, what)


def _about(service: Service, flaw: Refusal | None) -> Refusal | None:
    return None if flaw is None else replace(flaw, message=f"Service {service.key} {flaw.message}")

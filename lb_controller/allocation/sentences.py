"""The sentences that users read in conditions and Events: what, why and what to do."""

from collections.abc import Sequence

from lb_controller.allocation.outcome import Refusal
from lb_controller.model.address import Address, Family
from lb_controller.model.cluster import ServiceKey
from lb_controller.model.config import Pool
from lb_controller.model.reasons import RefusalReason


def stranded(key: ServiceKey, addresses: Sequence[Address]) -> str:
    """Its addresses are kept although no pool covers them."""
    verb = "lies" if len(addresses) == 1 else "lie"
    return (
        f"{_list(addresses)} {verb} in no IPAddressPool any more and is kept; to move the Service, ask for another "
        f"address or pool by annotation, or delete and create Service {key}"
    )


def exhausted(key: ServiceKey, families: Sequence[Family], pools: Sequence[Pool]) -> Refusal:
    """All pools that serve it are used up."""
    wanted, names = " and ".join(families), ", ".join(pool.name for pool in pools)
    message = f"no free address of {wanted} for Service {key} in IPAddressPool {names}; enlarge it or add a pool"
    return Refusal(RefusalReason.POOL_EXHAUSTED, message)


def no_pool(key: ServiceKey, *, any_exists: bool) -> Refusal:
    """No pool serves it."""
    if not any_exists:
        message = f"there is no IPAddressPool for Service {key}; create one"
    else:
        message = (
            f"no IPAddressPool serves Service {key} by itself; set autoAssign, its serviceAllocation, or name a pool "
            "by the annotation heraldlb.io/address-pool"
        )
    return Refusal(RefusalReason.NO_POOL, message)


def unknown_pool(key: ServiceKey, name: str, known: Sequence[str]) -> Refusal:
    """It names a pool that is not there."""
    there = f"there are {', '.join(sorted(known))}" if known else "there is none at all"
    message = f"Service {key} asks for IPAddressPool {name!r}, which does not exist or is not valid; {there}"
    return Refusal(RefusalReason.UNKNOWN_POOL, message)


def not_allowed(key: ServiceKey, pool: str) -> Refusal:
    """The pool does not let it in."""
    message = f"IPAddressPool {pool} does not serve Service {key}; see its serviceAllocation"
    return Refusal(RefusalReason.POOL_NOT_ALLOWED, message)


def outside(key: ServiceKey, address: Address, known: Sequence[str]) -> Refusal:
    """It asks for an address of no pool."""
    where = f"none of {', '.join(sorted(known))} holds it" if known else "there is none"
    message = (
        f"Service {key} asks for {address}, which lies in no IPAddressPool; {where}; ask for another or add a pool"
    )
    return Refusal(RefusalReason.ADDRESS_OUTSIDE_POOLS, message)


def other_pool(key: ServiceKey, address: Address, pool: str, asked: str) -> Refusal:
    """Its two requests contradict each other."""
    message = (
        f"Service {key} asks for {address} and for IPAddressPool {asked}, but the address lies in {pool}; drop one"
    )
    return Refusal(RefusalReason.BAD_REQUEST, message)


def taken(key: ServiceKey, address: Address, holder: ServiceKey, *, sharing: bool) -> Refusal:
    """Somebody else holds what it asks for."""
    if sharing:
        message = (
            f"Service {key} cannot share {address} with Service {holder}: both need the same sharing key, different "
            "ports, the same kind of externalTrafficPolicy and selector, and a namespace that the pool's sharingScope "
            "allows"
        )
        return Refusal(RefusalReason.SHARING_CONFLICT, message)
    message = f"Service {key} asks for {address}, which Service {holder} holds; it gets it as soon as it is free"
    return Refusal(RefusalReason.ADDRESS_IN_USE, message)


def conflict(key: ServiceKey, address: Address) -> Refusal:
    """A foreign host has what it asks for."""
    message = (
        f"Service {key} asks for {address}, for which another host on the network answers; it gets it when that stops: "
        "find the host, or ask for another address"
    )
    return Refusal(RefusalReason.ADDRESS_CONFLICT, message)


def in_conflict(key: ServiceKey, addresses: Sequence[Address], *, asked: bool) -> str:
    """A foreign host has what it holds, and it keeps it all the same."""
    why = "it asks for exactly this address" if asked else "no other address can be given"
    return (
        f"another host on the network answers for {_list(addresses)}, which Service {key} keeps because {why}; "
        "find the host, or ask for another address"
    )


def moved(key: ServiceKey, before: Sequence[Address], after: Sequence[Address]) -> str:
    """A foreign host had what it held; it has another address now."""
    return f"another host on the network answers for {_list(before)}; Service {key} has {_list(after)} now"


def deprecated(annotations: Sequence[str]) -> str:
    """It asks by annotations whose names are out of date; the same text for the same annotations, for ever."""
    verb, cure = ("is", "name") if len(annotations) == 1 else ("are", "names")
    return f"{', '.join(annotations)} {verb} deprecated; write the {cure} with heraldlb.io/ or metallb.io/ instead"


def _list(addresses: Sequence[Address]) -> str:
    return " and ".join(map(str, addresses))

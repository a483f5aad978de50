"""All custom resources together: rules between objects, and the Config of what is valid.

Where two objects claim the same thing, the older keeps it (creationTimestamp, then name) and the newer has the problem:
so an object that someone adds never takes away what another has. The result does not depend on the order of the input.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lb_controller.model import names
from lb_controller.model.address import AddressRange, Family
from lb_controller.model.config import BFDProfile, BGPAdvertisement, BGPPeer, Config, L2Advertisement, Origin, Pool
from lb_controller.model.parse import advertisements, objects
from lb_controller.model.parse.claims import Claims
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.peers import bgp_peer
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.reasons import ObjectReason

Named = TypeVar("Named", Pool, L2Advertisement, BGPAdvertisement, BGPPeer, BFDProfile)


@dataclass
class _Parsing:
    """What was noted so far."""

    problems: list[Problem] = field(default_factory=list)

    def note(self, raw: RawObject, path: str, message: str, reason: ObjectReason) -> None:
        self.problems.append(Problem(raw.kind, raw.name, path, message, reason, Severity.ERROR, raw.origin))


def parse_config(raws: Iterable[RawObject]) -> tuple[Config, tuple[Problem, ...]]:
    """The valid configuration, and a Problem for everything that is not."""
    by_kind: dict[str, list[RawObject]] = {}
    for raw in sorted(raws, key=lambda raw: (*raw.age_key, raw.origin)):
        by_kind.setdefault(raw.kind, []).append(raw)
    parsing = _Parsing()
    aliases = _aliases(by_kind.get(names.KIND_COMMUNITY, []), parsing)
    pools = _pools(by_kind.get(names.KIND_IP_ADDRESS_POOL, []), parsing)
    l2 = _each(by_kind.get(names.KIND_L2_ADVERTISEMENT, []), objects.l2_advertisement, parsing)
    profiles = _each(by_kind.get(names.KIND_BFD_PROFILE, []), objects.bfd_profile, parsing)
    known = {profile.name for _, profile in profiles}
    peers = _peers(by_kind.get(names.KIND_BGP_PEER, []), known, parsing)

    def advertisement(raw: RawObject, problems: list[Problem]) -> BGPAdvertisement | None:
        return advertisements.bgp_advertisement(raw, aliases, problems)

    bgp = _aggregating(_each(by_kind.get(names.KIND_BGP_ADVERTISEMENT, []), advertisement, parsing), pools, parsing)
    config = Config(_sorted(pools), _sorted(l2), _sorted(bgp), _sorted(peers), _sorted(profiles), aliases)
    return config, tuple(parsing.problems)


def _sorted(found: list[tuple[RawObject, Named]]) -> tuple[Named, ...]:
    return tuple(sorted((value for _, value in found), key=lambda value: value.name))


def _each(
    raws: list[RawObject], parse: Callable[[RawObject, list[Problem]], Named | None], parsing: _Parsing
) -> list[tuple[RawObject, Named]]:
    """Parse each; a name that exists in both API groups means our object."""
    kept = []
    for raw in _one_of_each_name(raws, parsing):
        value = parse(raw, parsing.problems)
        if value is not None:
            kept.append((raw, value))
    return kept


def _one_of_each_name(raws: list[RawObject], parsing: _Parsing) -> list[RawObject]:
    ours = {raw.name for raw in raws if raw.origin is Origin.HERALDLB}
    kept = []
    for raw in raws:
        if raw.origin is Origin.METALLB and raw.name in ours:
            message = f"not read: another {raw.kind} of the same name exists in {names.GROUP}; remove one of them"
            parsing.note(raw, "metadata.name", message, ObjectReason.CONFLICT)
        else:
            kept.append(raw)
    return kept


def _pools(raws: list[RawObject], parsing: _Parsing) -> list[tuple[RawObject, Pool]]:
    kept: list[tuple[RawObject, Pool]] = []
    claims = Claims()
    for raw, pool in _each(raws, objects.pool, parsing):
        rivals = [(index, part, claims.rival(part)) for index, part in enumerate(pool.ranges)]
        clashes = [(index, part, *rival) for index, part, rival in rivals if rival is not None]
        for index, mine, theirs, owner in clashes:
            message = f"{mine} overlaps {theirs} of the older IPAddressPool {owner}; remove it from one of them"
            parsing.note(raw, f"spec.addresses[{index}]", message, ObjectReason.OVERLAPS)
        if not clashes:
            kept.append((raw, pool))
            for part in pool.ranges:
                claims.add(part, pool.name)
    return kept


def _aliases(raws: list[RawObject], parsing: _Parsing) -> Mapping[str, str]:
    aliases: dict[str, str] = {}
    owner: dict[str, str] = {}
    for raw in _one_of_each_name(raws, parsing):
        for name, value in advertisements.community_aliases(raw, parsing.problems).items():
            if name in aliases:
                message = f"the alias {name!r} is defined by the older Community {owner[name]}; remove one"
                parsing.note(raw, "spec.communities", message, ObjectReason.CONFLICT)
            else:
                aliases[name], owner[name] = value, raw.name
    return aliases


def _peers(raws: list[RawObject], profiles: set[str], parsing: _Parsing) -> list[tuple[RawObject, BGPPeer]]:
    kept: list[tuple[RawObject, BGPPeer]] = []
    for raw, peer in _each(raws, bgp_peer, parsing):
        if peer.bfd_profile and peer.bfd_profile not in profiles:
            message = f"there is no BFDProfile {peer.bfd_profile!r}; create it or remove the reference"
            parsing.note(raw, "spec.bfdProfile", message, ObjectReason.REFERENCE_NOT_FOUND)
            continue
        twin = next((other for _, other in kept if replace(other, name=peer.name, origin=peer.origin) == peer), None)
        if twin is not None:
            message = f"says the same as the older BGPPeer {twin.name}; remove one"
            parsing.note(raw, "spec", message, ObjectReason.CONFLICT)
            continue
        kept.append((raw, peer))
    return kept


def _aggregating(
    found: list[tuple[RawObject, BGPAdvertisement]], pools: list[tuple[RawObject, Pool]], parsing: _Parsing
) -> list[tuple[RawObject, BGPAdvertisement]]:
    """Leave out advertisements whose aggregate would be wider than every block of a range of a selected pool."""
    kept = []
    for raw, advertisement in found:
        selected = [pool for _, pool in pools if advertisement.pools.selects(pool)]
        wide = [
            (pool, part) for pool in selected for part in pool.ranges if _widest(part) > _length(advertisement, part)
        ]
        for pool, part in wide:
            field_name = "aggregationLength" if part.family is Family.IPV4 else "aggregationLengthV6"
            aggregate = f"an aggregate of /{_length(advertisement, part)}"
            message = f"{aggregate} reaches beyond {part} of IPAddressPool {pool.name}; write at least {_widest(part)}"
            parsing.note(raw, f"spec.{field_name}", message, ObjectReason.CONFLICT)
        if not wide:
            kept.append((raw, advertisement))
    return kept


def _widest(part: AddressRange) -> int:
    """Prefix length of the widest block in the range."""
    return min(network.prefixlen for network in part.networks())


def _length(advertisement: BGPAdvertisement, part: AddressRange) -> int:
    v4 = part.family is Family.IPV4
    return advertisement.aggregation_length if v4 else advertisement.aggregation_length_v6

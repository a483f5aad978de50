"""The condition heraldlb.io/Announced of a Service: what both protocols say of it, in one sentence, by one writer.

True when every address is announced by a protocol. The writer is, in this order: the owner on the local link of the
first address that is announced there; the first in rank of the nodes that announce the first address by BGP; the first
in rank of all nodes that may announce, where nobody announces anything. All of them follow from facts that every node
knows, except the owner, who knows it of himself; so at any time at most one node writes, or none while an owner is
being found, and the former condition stays until then.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.reasons import AnnouncedReason, OmissionReason
from speaker.decide.facts import Omission
from speaker.decide.layer2 import Announcement
from speaker.decide.ranking import rank
from speaker.decide.reach import Reach, Reached

Held = tuple[ServiceKey, Address]

_NAMED = 3
_NOT_MEANT = {OmissionReason.NO_MATCHING_ADVERTISEMENT, OmissionReason.POOL_UNKNOWN}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the condition says: `status` True or False, a reason, a sentence."""

    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What node `me` knows.

    `owned`: addresses that it owns on the local link; `quarantined`: those that a foreign host has, with its hardware
    address; `reach` None: there is no BGPAdvertisement; `conflicts`: what its
    own BGP decision leaves out, `notes`: what it announces otherwise than asked; `established`: node -> peers with an
    established session.
    """

    me: str
    nodes: Set[str]
    owned: Set[str] = frozenset()
    quarantined: Mapping[str, str] = field(default_factory=dict)
    link: Mapping[Address, Announcement] = field(default_factory=dict)
    link_omissions: Mapping[Address, Mapping[ServiceKey, Omission]] = field(default_factory=dict)
    reach: Reach | None = None
    conflicts: Mapping[Held, Omission] = field(default_factory=dict)
    notes: Mapping[Held, str] = field(default_factory=dict)
    established: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Said:
    """Of one address by one protocol: a phrase or an omission; who writes, where it is announced ("" another node)."""

    phrase: str = ""
    omission: Omission | None = None
    writer: str = ""


def verdict(service: Service, picture: Picture) -> Verdict | None:
    """What this node writes about the Service, None where another node writes. The Service has an address."""
    link = [_link(service, address, picture) for address in service.ingress]
    bgp = [_bgp(service, address, picture) for address in service.ingress]
    if _writer(service, link, bgp, picture) != picture.me:
        return None
    phrases, silent = [], []
    for address, on_link, by_bgp in zip(service.ingress, link, bgp, strict=True):
        said = [part.phrase for part in (on_link, by_bgp) if part.phrase]
        if said:
            phrases.append(f"{address} is announced {' and '.join(said)}")
        else:
            silent.append(_closer(on_link.omission, by_bgp.omission))
    message = "; ".join([*(omission.message for omission in silent), *phrases])
    if silent:
        return Verdict("False", silent[0].reason.value, message)
    return Verdict("True", AnnouncedReason.ANNOUNCED.value, message)


def _writer(service: Service, link: list[_Said], bgp: list[_Said], picture: Picture) -> str:
    for said in (link, bgp):
        announced = next((part for part in said if part.phrase), None)
        if announced is not None:
            return announced.writer
    # Every candidate finds out for itself that another host has the address; the first of them says so.
    conflict = next((part.writer for part in link if part.omission is not None and part.writer), "")
    return conflict or next(iter(rank(service.ingress[0], picture.nodes)), "")


def _link(service: Service, address: Address, picture: Picture) -> _Said:
    announcement = picture.link.get(address)
    if announcement is None or service.key not in announcement.services:
        return _Said(omission=picture.link_omissions.get(address, {}).get(service.key))
    if str(address) in picture.owned:
        return _Said(f"on the local link by node {picture.me}", None, picture.me)
    if (foreign := picture.quarantined.get(str(address))) is not None:
        message = f"{address} is not announced on the local link: another host has it, with hardware address {foreign}"
        return _Said(omission=Omission(OmissionReason.ADDRESS_CONFLICT, message), writer=announcement.candidates[0])
    return _Said(f"on the local link by node {_some(announcement.candidates, 'or')}")


def _bgp(service: Service, address: Address, picture: Picture) -> _Said:
    if picture.reach is None:
        return _Said()
    reached = picture.reach.of(service, address)
    if isinstance(reached, Omission):
        return _Said(omission=reached)
    writer = next(iter(rank(address, reached.towards)), "")
    conflict = picture.conflicts.get((service.key, address))
    if writer == picture.me and conflict is not None and conflict.reason not in _OF_ONE_NODE:
        return _Said(omission=conflict)
    nodes, peers = len(reached.towards), len(reached.peers)
    if not any(known & picture.established.get(node, frozenset()) for node, known in reached.towards.items()):
        return _Said(omission=_no_session(address, reached))
    note = picture.notes.get((service.key, address), "")
    phrase = f"by BGP from {_count(nodes, 'node')} to {_count(peers, 'peer')}"
    return _Said(f"{phrase} ({note})" if note else phrase, None, writer)


# What the rank-first node says of itself is no reason of the whole cluster.
_OF_ONE_NODE = {
    OmissionReason.NODE_EXCLUDED,
    OmissionReason.NODE_NOT_READY,
    OmissionReason.NODE_NETWORK_UNAVAILABLE,
    OmissionReason.NODE_NOT_SELECTED,
    OmissionReason.NO_LOCAL_ENDPOINT,
    OmissionReason.NO_PEER,
}


def _no_session(address: Address, reached: Reached) -> Omission:
    message = (
        f"{address} is meant for {_count(len(reached.towards), 'node')} and BGPPeer "
        f"{_some(sorted(reached.peers), 'and')}, but no session is established; see the conditions of the BGPPeers"
    )
    return Omission(OmissionReason.NO_SESSION, message)


def _closer(link: Omission | None, bgp: Omission | None) -> Omission:
    """The omission of the protocol that has an advertisement for the address: its user can do something about it."""
    found = [omission for omission in (link, bgp) if omission is not None]
    meant = [omission for omission in found if omission.reason not in _NOT_MEANT]
    unknown = Omission(OmissionReason.NO_MATCHING_ADVERTISEMENT, "no advertisement selects the address; create one")
    return next(iter([*meant, *found]), unknown)


def _some(names: tuple[str, ...] | list[str], word: str) -> str:
    shown, more = names[:_NAMED], len(names) - _NAMED
    if more > 0:
        return f"{', '.join(shown)} {word} {more} more"
    return f" {word} ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

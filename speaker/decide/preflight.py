"""What about this node would break announcements, judged by facts that others read. Nothing here is fatal.

Each finding is a word with a paragraph in docs/reference/preflight.md, and a sentence for the node's administrator.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

SMALLEST_IPV6_MTU = 1280  # RFC 8200, section 5
SLOW_SECONDS = 1.0
_MEMBERLIST = ("tcp", 7946)
_BGP = ("tcp", 179)


@unique
class Finding(StrEnum):
    """What was found; the word is log field, metric label and heading of the documentation."""

    STRICT_ARP_MISSING = "StrictArpMissing"
    FORWARDING_OFF = "ForwardingOff"
    REVERSE_PATH_STRICT = "ReversePathStrict"
    NO_LINK_LOCAL = "NoLinkLocalAddress"
    MTU_TOO_SMALL = "MtuTooSmall"
    NO_INTERFACE = "NoUsableInterface"
    ADDRESS_ON_INTERFACE = "AddressOnInterface"
    MEMBERLIST_ON_NODE = "MemberlistOnNode"
    BGP_ON_NODE = "BgpOnNode"
    SLOW_LOOP = "SlowLoop"


@dataclass(frozen=True, slots=True)
class Link:
    """An Ethernet interface that may carry announcements: up, not part of a bridge or bond, not excluded."""

    name: str
    mtu: int
    link_local: bool


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node as it is; `proxy_mode` is kube-proxy's own word, None when it does not say.

    `sysctls` by name below net, such as ipv4.conf.eth0.rp_filter; what could not be read is absent. `listening` holds
    protocol and port of sockets on the node. `own_addresses` are assigned addresses that the node itself has.
    """

    proxy_mode: str | None = None
    sysctls: Mapping[str, int] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    listening: frozenset[tuple[str, int]] = frozenset()
    own_addresses: tuple[str, ...] = ()
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What this node is asked to do: families of assigned addresses, and whether it has BGP peers."""

    ipv4: bool = False
    ipv6: bool = False
    bgp: bool = False


def findings(facts: NodeFacts, needs: Needs) -> dict[Finding, str]:
    """Every finding with its sentence."""
    found: dict[Finding, str] = {}
    for part in (_kernel(facts, needs), _links(facts, needs), _others(facts, needs)):
        found |= dict(part)
    return found


def _kernel(facts: NodeFacts, needs: Needs) -> Iterator[tuple[Finding, str]]:
    ignore, announce = facts.sysctls.get("ipv4.conf.all.arp_ignore"), facts.sysctls.get("ipv4.conf.all.arp_announce")
    if facts.proxy_mode == "ipvs" and (ignore == 0 or (announce is not None and announce < 2)):
        yield (
            Finding.STRICT_ARP_MISSING,
            "kube-proxy runs in IPVS mode without strictARP: this node answers ARP for every address, whoever owns it",
        )
    off = [
        name
        for name, needed in (("ipv4.ip_forward", needs.ipv4), ("ipv6.conf.all.forwarding", needs.ipv6))
        if needed and facts.sysctls.get(name) == 0
    ]
    if off:
        yield Finding.FORWARDING_OFF, f"{_names(f'net.{name}' for name in off)} is 0: packets end at this node"
    strict = [link.name for link in facts.links if _effective(facts.sysctls, link.name, "rp_filter") == 1]
    if len(facts.links) > 1 and strict:
        yield (
            Finding.REVERSE_PATH_STRICT,
            f"rp_filter is 1 on {_names(strict)}, and the node has {len(facts.links)} interfaces: what comes in by one"
            " and would be answered by another is dropped; 2 is loose",
        )


def _links(facts: NodeFacts, needs: Needs) -> Iterator[tuple[Finding, str]]:
    if not facts.links:
        yield Finding.NO_INTERFACE, "no Ethernet interface is up that may carry announcements on layer 2"
    small = [link.name for link in facts.links if link.mtu < SMALLEST_IPV6_MTU]
    if needs.ipv6 and small:
        yield Finding.MTU_TOO_SMALL, f"the MTU of {_names(small)} is below {SMALLEST_IPV6_MTU}: there is no IPv6 on it"
    without = [link.name for link in facts.links if not link.link_local and link.mtu >= SMALLEST_IPV6_MTU]
    if needs.ipv6 and without:
        yield (
            Finding.NO_LINK_LOCAL,
            f"{_names(without)} has no IPv6 link-local address: neighbour advertisements have no source there",
        )


def _others(facts: NodeFacts, needs: Needs) -> Iterator[tuple[Finding, str]]:
    if facts.own_addresses and facts.proxy_mode != "ipvs":  # kube-proxy in IPVS mode has them all on kube-ipvs0
        yield (
            Finding.ADDRESS_ON_INTERFACE,
            f"the node itself has {_names(facts.own_addresses)}, and answers for it whoever owns it: another load"
            " balancer, such as kube-vip, or an address that was never free",
        )
    if _MEMBERLIST in facts.listening:
        yield Finding.MEMBERLIST_ON_NODE, "something listens on TCP port 7946, as MetalLB's speaker does"
    if needs.bgp and _BGP in facts.listening:
        yield (
            Finding.BGP_ON_NODE,
            "another BGP speaker listens on TCP port 179 of this node: a router may take only one of both",
        )
    if facts.lag > SLOW_SECONDS:
        yield Finding.SLOW_LOOP, f"the speaker's loop was late by {facts.lag:.1f} s: the node is short of CPU"


def _effective(sysctls: Mapping[str, int], link: str, name: str) -> int | None:
    """The kernel takes the larger of the interface's value and that of `all`."""
    values = [sysctls[key] for key in (f"ipv4.conf.{link}.{name}", f"ipv4.conf.all.{name}") if key in sysctls]
    return max(values, default=None)


def _names(found: Iterable[str], most: int = 5) -> str:
    every = sorted(found)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")

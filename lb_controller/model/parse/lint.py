"""What is allowed and still looks wrong: warnings about valid objects, never a refusal.

Two kinds: names that lead nowhere, and pools that hold addresses which the cluster itself uses. The API knows the
InternalIPs of the nodes but not the length of their networks, so what depends on that length is worded with an "if": a
/24 is assumed, the commonest. Only a speaker sees the real networks of its node.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network

from lb_controller.model import names
from lb_controller.model.address import Address, AddressRange, Family, Network
from lb_controller.model.cluster import Node
from lb_controller.model.config import Config, Origin, Pool
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.reasons import ObjectReason

_NEAR = {Family.IPV4: 16, Family.IPV6: 32}  # addresses on one link share at least so many bits, as a rule
_MOST_LINKS = 3  # told of one range; the others look the same


@dataclass(frozen=True)
class Facts:
    """What the cluster uses itself; networks of nodes are their pod CIDRs."""

    nodes: tuple[Node, ...] = ()
    service_cidrs: tuple[Network, ...] = ()

    @cached_property
    def node_addresses(self) -> "_Taken":
        return _Taken(
            (_range(ip_network(address)), f"{address} of Node {node.name}")
            for node in self.nodes
            for address in node.addresses
        )

    @cached_property
    def pod_networks(self) -> "_Taken":
        return _Taken((_range(cidr), f"{cidr} of Node {node.name}") for node in self.nodes for cidr in node.pod_cidrs)

    @cached_property
    def service_networks(self) -> "_Taken":
        return _Taken((_range(cidr), str(cidr)) for cidr in self.service_cidrs)

    @cached_property
    def links(self) -> "_Taken":
        """The /24 around every IPv4 node address."""
        found = {
            ip_network(f"{address}/24", strict=False): f"Node {node.name} ({address})"
            for node in self.nodes
            for address in node.addresses
            if address.version == 4
        }
        return _Taken((_range(network), owner) for network, owner in found.items())

    @cached_property
    def near(self) -> frozenset[Network]:
        """What the nodes' addresses have around them at the very most."""
        return frozenset(_wide(address) for node in self.nodes for address in node.addresses)


def lint(config: Config, facts: Facts) -> tuple[Problem, ...]:
    """The warnings about the valid objects of `config`."""
    found: list[Problem] = []
    _lint_names(config, found)
    for pool in config.pools:
        _Pools(pool, found).check(config, facts)
    return tuple(found)


# --- names that lead nowhere


def _lint_names(config: Config, found: list[Problem]) -> None:
    pools = {pool.name for pool in config.pools}
    peers = {peer.name for peer in config.bgp_peers}
    for kind, advertisements in (
        (names.KIND_L2_ADVERTISEMENT, config.l2_advertisements),
        (names.KIND_BGP_ADVERTISEMENT, config.bgp_advertisements),
    ):
        for one in advertisements:
            place = (kind, one.name, one.origin)
            _note_unknown(place, "spec.ipAddressPools", names.KIND_IP_ADDRESS_POOL, one.pools.names - pools, found)
    for bgp in config.bgp_advertisements:
        place = (names.KIND_BGP_ADVERTISEMENT, bgp.name, bgp.origin)
        _note_unknown(place, "spec.peers", names.KIND_BGP_PEER, bgp.peers - peers, found)


def _note_unknown(
    place: tuple[str, str, Origin], path: str, kind: str, missing: Iterable[str], found: list[Problem]
) -> None:
    for name in sorted(missing):
        message = f"there is no valid {kind} {name!r}"
        found.append(_warning(place, path, message, ObjectReason.REFERENCE_NOT_FOUND))


def _warning(place: tuple[str, str, Origin], path: str, message: str, reason: ObjectReason) -> Problem:
    kind, name, origin = place
    return Problem(kind, name, path, message, reason, Severity.WARNING, origin)


# --- pools that hold what is in use


@dataclass(frozen=True, slots=True)
class _Pools:
    """The look at one pool."""

    pool: Pool
    found: list[Problem] = field(repr=False)

    def check(self, config: Config, facts: Facts) -> None:
        on_link = any(one.pools.selects(self.pool) for one in config.l2_advertisements)
        for part in self.pool.ranges:
            self._overlap(part, facts.node_addresses, "an address of a node", "that node would be cut off")
            self._overlap(part, facts.pod_networks, "a pod network", "pods there would become unreachable")
            self._overlap(part, facts.service_networks, "the cluster's Service network", "cluster IPs would be hidden")
            self._ends_of_links(part, facts.links)
            near = [network for network in facts.near if network.version == part.first.version]
            if on_link and near and not any(part.overlaps(_range(network)) for network in near):
                bits = _NEAR[part.family]
                why = f"no node has an address that shares its first {bits} bits"
                self._warn(part, f"{why}; an L2Advertisement announces it on the nodes' own networks only")

    def _overlap(self, part: AddressRange, taken: "_Taken", what: str, harm: str) -> None:
        owners = taken.within(part)
        if owners:
            more = f" and {len(owners) - 1} more" if len(owners) > 1 else ""
            self._warn(part, f"holds {what}, {owners[0]}{more}: {harm}")

    def _ends_of_links(self, part: AddressRange, links: "_Taken") -> None:
        for link, owner in links.ranges_within(part)[:_MOST_LINKS]:
            ends = [address for address in (link.first, link.last) if address in part and self._gives(address)]
            if ends:
                what = "network address" if ends == [link.first] else "broadcast address"
                what = "network and broadcast address" if len(ends) == 2 else what
                self._warn(part, f"holds {_words(ends)}, the {what} of {owner} if its network is a /24")
            gates = [address for address in (link.first + 1, link.last - 1) if address in part]
            if len(gates) == 2:  # one of them alone is a range that somebody wrote with care
                self._warn(part, f"holds {_words(gates)}, one of which is often the gateway of {owner}")

    def _gives(self, address: Address) -> bool:
        return not self.pool.avoid_buggy_ips or int(address) & 0xFF not in (0, 255)

    def _warn(self, part: AddressRange, message: str) -> None:
        place = (names.KIND_IP_ADDRESS_POOL, self.pool.name, self.pool.origin)
        self.found.append(_warning(place, "spec.addresses", f"{part} {message}", ObjectReason.CONFLICT))


class _Taken:
    """Ranges with a word about each; asked by range in O(log n) plus what is found."""

    def __init__(self, entries: Iterable[tuple[AddressRange, str]]) -> None:
        self._entries = sorted(entries, key=lambda entry: (_place(entry[0].first), entry[1]))
        self._firsts = [_place(part.first) for part, _ in self._entries]
        lasts = (_place(part.last) for part, _ in self._entries)
        self._reach = _running_most(lasts)

    def ranges_within(self, wanted: AddressRange) -> list[tuple[AddressRange, str]]:
        """Those that overlap `wanted`, in order."""
        begin = bisect_left(self._reach, _place(wanted.first))
        end = bisect_right(self._firsts, _place(wanted.last))
        return [entry for entry in self._entries[begin:end] if entry[0].overlaps(wanted)]

    def within(self, wanted: AddressRange) -> list[str]:
        return [word for _, word in self.ranges_within(wanted)]


def _running_most(values: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    most: list[tuple[int, int]] = []
    for value in values:
        most.append(max(value, most[-1]) if most else value)
    return most


def _place(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def _range(network: Network) -> AddressRange:
    return AddressRange(network.network_address, network.broadcast_address)


def _wide(address: Address) -> Network:
    bits = _NEAR[Family.IPV4 if address.version == 4 else Family.IPV6]
    return ip_network(f"{address}/{bits}", strict=False)


def _words(addresses: Sequence[Address]) -> str:
    return " and ".join(map(str, addresses))

"""What one node announces by BGP: its peers, the routes towards each, and why an address is not announced from here.

An address is announced by every BGPAdvertisement that selects its pool, its Service and this node, towards the peers
that the advertisement names (all by default) and that carry its family; an address of no pool by those that select
every pool. The prefix is the address rolled up to the advertisement's aggregation length, so an aggregate stays while
any address in it is announced. Where several advertisements give one prefix to one peer, their communities are united;
local preference, MED, prepending and bandwidth must agree, otherwise that prefix is not announced to that peer, and
every address in it says so: a conflict is reported, never resolved by chance.

What is about to go, goes in two steps (RFC 8326). The routes of a cordoned node are demoted: it is about to be drained,
and while another node announces the same, routers prefer that one. Those of an excluded node leave: demoted, and
withdrawn after the time of the drain. With externalTrafficPolicy Local they are demoted once every usable endpoint
here is terminating.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from lb_controller.model.address import Address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import BGPAdvertisement, Config
from lb_controller.model.reasons import OmissionReason
from speaker.decide.attributes import wishes_of
from speaker.decide.eligibility import OBSTACLES, node_obstacle, selected, serving_nodes, without_endpoints
from speaker.decide.facts import Cluster, Omission
from speaker.decide.matching import Matching
from speaker.decide.peers import peers_of
from speaker.ipc.messages import BANDWIDTH, Parting, Peer, Route

Held = tuple[ServiceKey, Address]


@dataclass(frozen=True, slots=True)
class BgpDecision:
    """Peers and routes of this node, sorted; why addresses are not announced; which peers have no session, and notes.

    `refused_peers` and `peer_notes` hold a sentence for each BGPPeer, by name. `for_good`: the node is being drained.
    `notes`: what is announced otherwise than its Service asks.
    """

    peers: tuple[Peer, ...] = ()
    routes: tuple[Route, ...] = ()
    omissions: Mapping[Held, Omission] = field(default_factory=dict)
    refused_peers: Mapping[str, str] = field(default_factory=dict)
    peer_notes: Mapping[str, str] = field(default_factory=dict)
    for_good: bool = False
    notes: Mapping[Held, str] = field(default_factory=dict)

    @property
    def staying(self) -> int:
        """How many routes do not leave."""
        return sum(route.parting is not Parting.LEAVES for route in self.routes)


def desired_bgp(
    config: Config, cluster: Cluster, me: str, passwords: Mapping[str, str], *, ignore_exclusion: bool = False
) -> BgpDecision:
    """Decide for node `me`. `passwords`: by the name of the Secret. Without any BGPAdvertisement nothing is omitted."""
    node = cluster.nodes.get(me)
    if node is None:
        return BgpDecision()
    sessions = peers_of(config, node, passwords)
    for_good = node.unschedulable or node.deleting
    if not config.bgp_advertisements:
        return BgpDecision(sessions.peers, (), {}, sessions.refused, sessions.notes, for_good)
    work = _Work(config, cluster, node, sessions.peers)
    obstacle = node_obstacle(node, ignore_exclusion=ignore_exclusion)
    held = [
        (cluster.services[key], address)
        for key in sorted(cluster.services)
        for address in cluster.services[key].ingress
    ]
    routes: tuple[Route, ...] = ()
    if obstacle in (None, OmissionReason.NODE_EXCLUDED):
        for service, address in held:
            work.add(service, address)
        routes = work.routes(Parting.STAYS if obstacle is None else Parting.LEAVES)
    if obstacle is not None:
        message = f"node {me} {OBSTACLES[obstacle]}, so it announces nothing"
        work.omissions = {(service.key, address): Omission(obstacle, message) for service, address in held}
    return BgpDecision(sessions.peers, routes, work.omissions, sessions.refused, sessions.notes, for_good, work.notes)


@dataclass(slots=True)
class _Announced:
    """One prefix towards one peer: by which advertisements, as they hold for which addresses.

    `endpoints`: how many of them are here, by Service; None for one that is served from anywhere (policy Cluster).
    """

    advertisements: set[BGPAdvertisement] = field(default_factory=set)
    held: list[Held] = field(default_factory=list)
    endpoints: dict[ServiceKey, int | None] = field(default_factory=dict)
    ending: bool = True  # every address in it is served by terminating endpoints only

    @property
    def conflict(self) -> bool:
        return len({(a.local_pref, a.med, a.as_path_prepend, a.link_bandwidth) for a in self.advertisements}) > 1

    @property
    def extended(self) -> tuple[str, ...]:
        """Extended communities: those that were written, and the bandwidth of all endpoints here."""
        written = sorted(frozenset().union(*(ad.extended_communities for ad in self.advertisements)))
        counts = [count for count in self.endpoints.values() if count is not None]
        each = next(iter(self.advertisements)).link_bandwidth
        if each is None or len(counts) < len(self.endpoints):
            return tuple(written)
        return (*written, f"{BANDWIDTH}:{each * sum(counts)}")


class _Work:
    """One decision in the making."""

    def __init__(self, config: Config, cluster: Cluster, node: Node, peers: tuple[Peer, ...]) -> None:
        self.omissions: dict[Held, Omission] = {}
        self.notes: dict[Held, str] = {}
        self._cluster, self._node = cluster, node
        self._here = {ad.name: selected(ad.node_selectors, node.labels) for ad in config.bgp_advertisements}
        self._fitting = Matching(config)
        self._aliases = config.community_aliases
        self._towards = {
            (ad.name, version): tuple(
                peer.name for peer in peers if (not ad.peers or peer.name in ad.peers) and family in peer.families
            )
            for ad in config.bgp_advertisements
            for version, family in ((4, "ipv4"), (6, "ipv6"))
        }
        self._announced: dict[tuple[str, str], _Announced] = {}

    def add(self, service: Service, address: Address) -> None:
        """Take one address of one Service in: note where it is announced, or why not."""
        matching = self._matching(service, address)
        if isinstance(matching, Omission):
            self.omissions[service.key, address] = matching
            return
        wishes = wishes_of(service, self._aliases)
        if isinstance(wishes, Omission):
            self.omissions[service.key, address] = wishes
            return
        here, found = self._served_here(service), False
        for ad in matching:
            applied = wishes.applied(ad)
            for peer in self._towards[ad.name, address.version]:
                entry = self._announced.setdefault((prefix_of(address, ad), peer), _Announced())
                entry.advertisements.add(applied)
                entry.held.append((service.key, address))
                entry.endpoints[service.key] = None if here is None else len(here)
                entry.ending &= here is not None and all(endpoint.terminating for endpoint in here)
                found = True
        if found:
            notes = [note for ad in matching if (note := wishes.note(ad))]
            if notes:
                self.notes[service.key, address] = "; ".join(notes)
        else:
            family = "IPv4" if address.version == 4 else "IPv6"
            names = ", ".join(ad.name for ad in matching)
            message = (
                f"no BGPPeer of node {self._node.name} that carries {family} is meant by BGPAdvertisement {names}; "
                "create one, or set dualStackAddressFamily on one of the other family"
            )
            self.omissions[service.key, address] = Omission(OmissionReason.NO_PEER, message)

    def routes(self, parting: Parting) -> tuple[Route, ...]:
        """All routes; conflicts become omissions."""
        if parting is Parting.STAYS and self._node.unschedulable:
            parting = Parting.DEMOTED
        grouped: dict[Route, list[str]] = {}
        for (prefix, peer), entry in self._announced.items():
            if entry.conflict:
                self._refuse(prefix, peer, entry)
                continue
            values = next(iter(entry.advertisements))
            route = Route(
                prefix=prefix,
                peers=(),
                local_pref=values.local_pref,
                med=values.med,
                prepend=values.as_path_prepend,
                communities=tuple(sorted(frozenset().union(*(ad.communities for ad in entry.advertisements)))),
                extended=entry.extended,
                parting=Parting.DEMOTED if entry.ending and parting is Parting.STAYS else parting,
            )
            grouped.setdefault(route, []).append(peer)
        routes = [msgspec.structs.replace(route, peers=tuple(sorted(peers))) for route, peers in grouped.items()]
        return tuple(sorted(routes, key=lambda route: (route.prefix, route.peers)))

    # --- inside

    def _matching(self, service: Service, address: Address) -> tuple[BGPAdvertisement, ...] | Omission:
        """The advertisements of this address that hold on this node, in the order of the reasons a user asks about."""
        fitting = self._fitting.of(service, address)
        if isinstance(fitting, Omission):
            return fitting
        here = tuple(ad for ad in fitting if self._here[ad.name])
        if not here:
            names = ", ".join(ad.name for ad in fitting)
            message = f"the node selectors of BGPAdvertisement {names} do not select node {self._node.name}"
            return Omission(OmissionReason.NODE_NOT_SELECTED, message)
        endpoints = self._cluster.endpoints.get(service.key, ())
        if not any(endpoint.usable for endpoint in endpoints):
            return without_endpoints(service)
        serving = serving_nodes(service, endpoints)
        if serving is not None and self._node.name not in serving:
            message = f"Service {service.key} has no ready endpoint on node {self._node.name} (policy Local)"
            return Omission(OmissionReason.NO_LOCAL_ENDPOINT, message)
        return here

    def _served_here(self, service: Service) -> list[Endpoint] | None:
        """The usable endpoints of this node that serve the Service; None: those of all nodes do."""
        if service.traffic_policy is not TrafficPolicy.LOCAL:
            return None
        endpoints = self._cluster.endpoints.get(service.key, ())
        return [endpoint for endpoint in endpoints if endpoint.usable and endpoint.node == self._node.name]

    def _refuse(self, prefix: str, peer: str, entry: _Announced) -> None:
        names = sorted({ad.name for ad in entry.advertisements})
        several = len(names) > 1
        who = f"BGPAdvertisements {', '.join(names)}" if several else f"Services in BGPAdvertisement {names[0]}"
        what = (
            "localPref, med, asPathPrepend or linkBandwidthPerEndpoint"
            if several
            else "annotations about MED or prepending"
        )
        message = f"{who} give {prefix} to peer {peer} with different {what}; make them agree"
        for held in entry.held:
            self.omissions[held] = Omission(OmissionReason.CONFLICTING_ADVERTISEMENTS, message)
            self.notes.pop(held, None)


def prefix_of(address: Address, advertisement: BGPAdvertisement) -> str:
    """The address rolled up to the advertisement's aggregation length."""
    length = advertisement.aggregation_length if address.version == 4 else advertisement.aggregation_length_v6
    if length >= address.max_prefixlen:
        return f"{address}/{address.max_prefixlen}"
    return str(ipaddress.ip_interface(f"{address}/{length}").network)

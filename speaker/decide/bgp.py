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

A change of a Service decides that Service and its prefixes again, and nothing else: with 10,000 of them a decision
takes some milliseconds. A change of the configuration, of the node or of its peers decides everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.config import Config
from lb_controller.model.reasons import OmissionReason
from speaker.decide.eligibility import OBSTACLES, node_obstacle
from speaker.decide.facts import Cluster, Omission
from speaker.decide.offers import Endpoints, Held, Offer, Offers, Share
from speaker.decide.peers import NodePeers, peers_of
from speaker.ipc.messages import BANDWIDTH, Parting, Peer, Route


@dataclass(frozen=True, slots=True)
class BgpDecision:
    """Peers and routes of this node; why addresses are not announced; which peers have no session, and notes.

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
    """Decide for node `me` from scratch. `passwords`: by the name of the Secret."""
    return BgpDecider(me, ignore_exclusion=ignore_exclusion).decide(config, cluster, passwords)


# The session is there, so that the routes can be demoted before they go.
_PARTING = {OmissionReason.NODE_EXCLUDED, OmissionReason.NODE_CANNOT_FORWARD}


class BgpDecider:
    """The decision of node `me`, kept up to date. Without any BGPAdvertisement nothing is omitted."""

    def __init__(self, me: str, *, ignore_exclusion: bool = False) -> None:
        self.me, self.ignore_exclusion = me, ignore_exclusion
        self._ground: object = None
        self._sessions = NodePeers((), {}, {})
        self._table: _Table | None = None

    def decide(
        self, config: Config, cluster: Cluster, passwords: Mapping[str, str], *, cannot_forward: bool = False
    ) -> BgpDecision:
        """What holds now. `cluster` may be a live view: what was seen last is remembered here."""
        node = cluster.nodes.get(self.me)
        if node is None:
            self._ground, self._table = None, None
            return BgpDecision()
        ground = (config, node, dict(passwords), cannot_forward)
        if ground != self._ground:
            self._ground = ground
            self._sessions = peers_of(config, node, passwords)
            offers = Offers(config, node, self._sessions.peers)
            obstacle = node_obstacle(node, ignore_exclusion=self.ignore_exclusion)
            if obstacle is None and cannot_forward:
                obstacle = OmissionReason.NODE_CANNOT_FORWARD
            parting = Parting.DEMOTED if node.unschedulable else Parting.STAYS
            if obstacle in _PARTING:
                parting = Parting.LEAVES
            self._table = _Table(offers, parting, obstacle) if config.bgp_advertisements else None
        peers, refused, notes = self._sessions.peers, self._sessions.refused, self._sessions.notes
        for_good = node.unschedulable or node.deleting
        table = self._table
        if table is None:
            return BgpDecision(peers, (), {}, refused, notes, for_good)
        table.follow(cluster)
        if table.obstacle is None:
            omissions = table.omissions()
            told = {held: note for held, note in table.notes.items() if held not in omissions}
            return BgpDecision(peers, table.all_routes(), omissions, refused, notes, for_good, told)
        why = OBSTACLES.get(table.obstacle, "cannot carry traffic on, as its kube-proxy says")
        message = f"node {self.me} {why}, so it announces nothing"
        omission = Omission(table.obstacle, message)
        omitted = {(key, address): omission for key, service in cluster.services.items() for address in service.ingress}
        routes = table.all_routes() if table.obstacle in _PARTING else ()
        return BgpDecision(peers, routes, omitted, refused, notes, for_good)


class _Table:
    """The offers of all Services, and the routes that they make, prefix by prefix."""

    def __init__(self, offers: Offers, parting: Parting, obstacle: OmissionReason | None) -> None:
        self.obstacle = obstacle
        self.notes: dict[Held, str] = {}
        self._offers, self._parting = offers, parting
        self._seen: dict[ServiceKey, tuple[Service, Endpoints, Offer]] = {}
        self._shares: dict[str, dict[ServiceKey, list[Share]]] = {}
        self._routes: dict[str, tuple[Route, ...]] = {}
        self._omitted: dict[Held, Omission] = {}
        self._conflicts: dict[str, dict[Held, Omission]] = {}
        self._flat: tuple[Route, ...] | None = None

    def follow(self, cluster: Cluster) -> None:
        """Take in what changed since the last time."""
        touched: set[str] = set()
        for key in [key for key in self._seen if key not in cluster.services]:
            touched |= self._forget(key)
        for key, service in cluster.services.items():
            endpoints = cluster.endpoints.get(key, ())
            known = self._seen.get(key)
            if known is None or known[0] is not service or known[1] is not endpoints:
                touched |= self._forget(key) | self._learn(key, service, endpoints)
        for prefix in touched:
            self._settle(prefix)
        if touched:
            self._flat = None

    def all_routes(self) -> tuple[Route, ...]:
        """Every route; the same object as long as nothing changed."""
        if self._flat is None:
            routes = (route for routes in self._routes.values() for route in routes)
            self._flat = tuple(sorted(routes, key=lambda route: (route.prefix, route.peers)))
        return self._flat

    def omissions(self) -> dict[Held, Omission]:
        """Every address that is left out, conflicts among them."""
        found = dict(self._omitted)
        for conflicts in self._conflicts.values():
            found |= conflicts
        return found

    # --- inside

    def _forget(self, key: ServiceKey) -> set[str]:
        known = self._seen.pop(key, None)
        if known is None:
            return set()
        offer = known[2]
        for held in (*offer.omissions, *offer.notes):
            self._omitted.pop(held, None)
            self.notes.pop(held, None)
        prefixes = {share.prefix for share in offer.shares}
        for prefix in prefixes:
            del self._shares[prefix][key]
        return prefixes

    def _learn(self, key: ServiceKey, service: Service, endpoints: Endpoints) -> set[str]:
        offer = self._offers.of(service, endpoints)
        self._seen[key] = (service, endpoints, offer)
        self._omitted |= offer.omissions
        self.notes |= offer.notes
        for share in offer.shares:
            self._shares.setdefault(share.prefix, {}).setdefault(key, []).append(share)
        return {share.prefix for share in offer.shares}

    def _settle(self, prefix: str) -> None:
        """Make the routes of one prefix anew."""
        self._conflicts.pop(prefix, None)
        self._routes.pop(prefix, None)
        shares = self._shares[prefix]
        if not shares:
            del self._shares[prefix]
            return
        by_peer: dict[str, list[Share]] = {}
        for mine in shares.values():
            for share in mine:
                by_peer.setdefault(share.peer, []).append(share)
        grouped: dict[Route, list[str]] = {}
        for peer, found in by_peer.items():
            route = _route(prefix, found, self._parting)
            if route is not None:
                grouped.setdefault(route, []).append(peer)
                continue
            omission = _conflict(prefix, peer, found)
            self._conflicts.setdefault(prefix, {}).update({share.held: omission for share in found})
        self._routes[prefix] = tuple(
            msgspec.structs.replace(route, peers=tuple(sorted(peers))) for route, peers in grouped.items()
        )


def _route(prefix: str, shares: Iterable[Share], parting: Parting) -> Route | None:
    """The route that the shares of one prefix towards one peer make (without the peer); None if they do not agree."""
    ads = {share.advertisement for share in shares}
    if len({(ad.local_pref, ad.med, ad.as_path_prepend, ad.link_bandwidth) for ad in ads}) > 1:
        return None
    values = next(iter(ads))
    ending = all(share.ending for share in shares)
    written = sorted(frozenset().union(*(ad.extended_communities for ad in ads)))
    return Route(
        prefix=prefix,
        peers=(),
        local_pref=values.local_pref,
        med=values.med,
        prepend=values.as_path_prepend,
        communities=tuple(sorted(frozenset().union(*(ad.communities for ad in ads)))),
        extended=(*written, *_bandwidth(values.link_bandwidth, shares)),
        parting=Parting.DEMOTED if ending and parting is Parting.STAYS else parting,
    )


def _bandwidth(each: int | None, shares: Iterable[Share]) -> tuple[str, ...]:
    """The bandwidth of all endpoints here; none where a Service is served from anywhere (policy Cluster)."""
    counts = {share.held[0]: share.endpoints for share in shares}
    known = [count for count in counts.values() if count is not None]
    return () if each is None or len(known) < len(counts) else (f"{BANDWIDTH}:{each * sum(known)}",)


def _conflict(prefix: str, peer: str, shares: Iterable[Share]) -> Omission:
    names = sorted({share.advertisement.name for share in shares})
    several = len(names) > 1
    who = f"BGPAdvertisements {', '.join(names)}" if several else f"Services in BGPAdvertisement {names[0]}"
    fields = "localPref, med, asPathPrepend or linkBandwidthPerEndpoint"
    what = fields if several else "annotations about MED or prepending"
    message = f"{who} give {prefix} to peer {peer} with different {what}; make them agree"
    return Omission(OmissionReason.CONFLICTING_ADVERTISEMENTS, message)

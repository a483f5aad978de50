"""What one Service offers to BGP from this node: its prefixes, towards which peers, with what; or why nothing."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from lb_controller.model.address import Address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import BGPAdvertisement, Config
from lb_controller.model.reasons import OmissionReason
from speaker.decide.attributes import wishes_of
from speaker.decide.eligibility import not_programmed, selected, serving_nodes, without_endpoints
from speaker.decide.facts import Omission
from speaker.decide.matching import Matching
from speaker.ipc.messages import Peer

Held = tuple[ServiceKey, Address]
Endpoints = tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """One address in one prefix towards one peer, by one advertisement as it holds for the Service.

    `endpoints`: how many serve the Service here, None for policy Cluster; `ending`: all of them are terminating.
    """

    prefix: str
    peer: str
    held: Held
    advertisement: BGPAdvertisement
    endpoints: int | None
    ending: bool


@dataclass(slots=True)
class Offer:
    """All of one Service."""

    shares: list[Share] = field(default_factory=list)
    omissions: dict[Held, Omission] = field(default_factory=dict)
    notes: dict[Held, str] = field(default_factory=dict)


class Offers:
    """What does not depend on a Service: configuration, this node, its peers."""

    def __init__(self, config: Config, node: Node, peers: tuple[Peer, ...]) -> None:
        self._node = node
        self._here = {ad.name: selected(ad.node_selectors, node.labels) for ad in config.bgp_advertisements}
        self._fitting = Matching(config)
        self._aliases = config.community_aliases
        self._towards: Mapping[tuple[str, int], tuple[str, ...]] = {
            (ad.name, version): tuple(
                peer.name for peer in peers if (not ad.peers or peer.name in ad.peers) and family in peer.families
            )
            for ad in config.bgp_advertisements
            for version, family in ((4, "ipv4"), (6, "ipv6"))
        }

    def of(self, service: Service, endpoints: Endpoints) -> Offer:
        """What the Service offers."""
        offer = Offer()
        for address in dict.fromkeys(service.ingress):
            self._add(offer, service, address, endpoints)
        return offer

    def _add(self, offer: Offer, service: Service, address: Address, endpoints: Endpoints) -> None:
        held = (service.key, address)
        matching = self._matching(service, address, endpoints)
        wishes = wishes_of(service, self._aliases)
        if isinstance(matching, Omission):
            offer.omissions[held] = matching
            return
        if isinstance(wishes, Omission):
            offer.omissions[held] = wishes
            return
        here = self._served_here(service, endpoints)
        count = None if here is None else len(here)
        ending = here is not None and all(endpoint.terminating for endpoint in here)
        shares = [
            Share(prefix_of(address, ad), peer, held, applied, count, ending)
            for ad in matching
            for applied in (wishes.applied(ad),)
            for peer in self._towards[ad.name, address.version]
        ]
        offer.shares += shares
        if not shares:
            offer.omissions[held] = self._without_peer(address, matching)
        elif notes := [note for ad in matching if (note := wishes.note(ad))]:
            offer.notes[held] = "; ".join(notes)

    def _without_peer(self, address: Address, matching: tuple[BGPAdvertisement, ...]) -> Omission:
        names = ", ".join(ad.name for ad in matching)
        message = (
            f"no BGPPeer of node {self._node.name} that carries IPv{address.version} is meant by BGPAdvertisement "
            f"{names}; create one, or set dualStackAddressFamily on one of the other family"
        )
        return Omission(OmissionReason.NO_PEER, message)

    def _matching(
        self, service: Service, address: Address, endpoints: Endpoints
    ) -> tuple[BGPAdvertisement, ...] | Omission:
        """The advertisements of this address that hold on this node, in the order of the reasons a user asks about."""
        fitting = self._fitting.of(service, address)
        if isinstance(fitting, Omission):
            return fitting
        here = tuple(ad for ad in fitting if self._here[ad.name])
        if not here:
            names = ", ".join(ad.name for ad in fitting)
            message = f"the node selectors of BGPAdvertisement {names} do not select node {self._node.name}"
            return Omission(OmissionReason.NODE_NOT_SELECTED, message)
        if not any(endpoint.usable for endpoint in endpoints):
            return without_endpoints(service)
        serving = serving_nodes(service, endpoints)
        if serving is not None and self._node.name not in serving:
            if waiting := not_programmed(service, self._on_this_node(endpoints)):
                return waiting
            message = f"Service {service.key} has no ready endpoint on node {self._node.name} (policy Local)"
            return Omission(OmissionReason.NO_LOCAL_ENDPOINT, message)
        return here

    def _served_here(self, service: Service, endpoints: Endpoints) -> list[Endpoint] | None:
        """The usable endpoints of this node that serve the Service; None: those of all nodes do."""
        if service.traffic_policy is not TrafficPolicy.LOCAL:
            return None
        return self._on_this_node(endpoints)

    def _on_this_node(self, endpoints: Endpoints) -> list[Endpoint]:
        return [endpoint for endpoint in endpoints if endpoint.usable and endpoint.node == self._node.name]


def prefix_of(address: Address, advertisement: BGPAdvertisement) -> str:
    """The address rolled up to the advertisement's aggregation length."""
    length = advertisement.aggregation_length if address.version == 4 else advertisement.aggregation_length_v6
    if length >= address.max_prefixlen:
        return f"{address}/{address.max_prefixlen}"
    return str(ipaddress.ip_interface(f"{address}/{length}").network)

"""From which nodes an address is announced by BGP and to which peers, as the whole cluster sees it.

Every speaker comes to the same answer from the same facts, so they agree without talking on who writes about a Service.
What only one node knows (a conflict of attributes, a session that is down) is not in here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service
from lb_controller.model.config import BGPAdvertisement, Config
from lb_controller.model.reasons import OmissionReason
from speaker.decide.eligibility import OBSTACLES, node_obstacle, selected, serving_nodes, without_endpoints
from speaker.decide.facts import Cluster, Omission
from speaker.decide.matching import Matching
from speaker.decide.peers import peers_of

_NAMED = 3  # a sentence names so many nodes; the others are counted

Towards = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Reached:
    """Node -> names of its peers that get the address; never empty."""

    towards: Towards

    @property
    def peers(self) -> frozenset[str]:
        return frozenset().union(*self.towards.values())


class Reach:
    """The view of one moment; what holds for all addresses is worked out once."""

    def __init__(
        self, config: Config, cluster: Cluster, passwords: Mapping[str, str], *, ignore_exclusion: bool = False
    ) -> None:
        self.config, self.cluster = config, cluster
        self._matching = Matching(config)
        found = {name: node_obstacle(node, ignore_exclusion=ignore_exclusion) for name, node in cluster.nodes.items()}
        self._obstacles = {name: obstacle for name, obstacle in found.items() if obstacle is not None}
        self._peers = {name: peers_of(config, node, passwords).peers for name, node in cluster.nodes.items()}
        self._memo: dict[tuple[str, int], Towards] = {}

    def of(self, service: Service, address: Address) -> Reached | Omission:
        """Where the address is announced, or why nowhere."""
        matching = self._matching.of(service, address)
        if isinstance(matching, Omission):
            return matching
        endpoints = self.cluster.endpoints.get(service.key, ())
        if not any(endpoint.usable for endpoint in endpoints):
            return without_endpoints(service)
        serving = serving_nodes(service, endpoints)
        towards: dict[str, frozenset[str]] = {}
        for ad in matching:
            for node, peers in self._towards(ad, address.version).items():
                if node not in self._obstacles and (serving is None or node in serving):
                    towards[node] = towards.get(node, frozenset()) | peers
        reached = {node: peers for node, peers in towards.items() if peers}
        return Reached(reached) if reached else self._why(service, address, matching, serving)

    def _towards(self, ad: BGPAdvertisement, version: int) -> Towards:
        """The nodes that the advertisement selects, each with the peers that carry the family."""
        key = (ad.name, version)
        if key not in self._memo:
            family = f"ipv{version}"
            self._memo[key] = {
                name: frozenset(
                    peer.name
                    for peer in self._peers[name]
                    if family in peer.families and (not ad.peers or peer.name in ad.peers)
                )
                for name, node in self.cluster.nodes.items()
                if selected(ad.node_selectors, node.labels)
            }
        return self._memo[key]

    def _why(
        self, service: Service, address: Address, matching: Iterable[BGPAdvertisement], serving: frozenset[str] | None
    ) -> Omission:
        names = ", ".join(ad.name for ad in matching)
        chosen = frozenset().union(*(self._towards(ad, address.version) for ad in matching))
        possible = chosen if serving is None else chosen & serving
        if not chosen:
            message = f"the node selectors of BGPAdvertisement {names} select no node, so none announces {service.key}"
            return Omission(OmissionReason.NO_ELIGIBLE_NODE, message)
        if not possible:
            message = (
                f"no node selected by BGPAdvertisement {names} has a ready endpoint of {service.key} (policy Local)"
            )
            return Omission(OmissionReason.NO_LOCAL_ENDPOINT, message)
        if not possible - self._obstacles.keys():
            message = f"no node may announce for Service {service.key}: {self._named(possible)}"
            return Omission(OmissionReason.NO_ELIGIBLE_NODE, message)
        message = f"no node has a BGPPeer that carries IPv{address.version} and is meant by BGPAdvertisement {names}"
        return Omission(OmissionReason.NO_PEER, message)

    def _named(self, nodes: frozenset[str]) -> str:
        names = sorted(nodes)
        parts = [f"{name} {OBSTACLES[self._obstacles[name]]}" for name in names[:_NAMED]]
        more = len(names) - _NAMED
        return ", ".join(parts) + (f", and {more} more" if more > 0 else "")

"""What is announced on the local link: for each address the ranked nodes that may own it, or why nobody may.

One decision per *address*: Services that share one move together, the two addresses of a dual-stack Service may have
different owners. An address is announced by the advertisements that select its pool and one of its Services.

An address of no pool (its pool was edited or deleted, and the assignment is kept) is announced by the advertisements
that select every pool: what it was in before cannot be known, and an advertisement for some pools was not meant for it.
Without such an advertisement it has the omission PoolUnknown.

Services that share an address are served from the nodes good for all of them. Where there is no such node (both Local,
with endpoints on different nodes), those of the first Service by name decide, and the other has the omission
SharedAddressElsewhere: one of them is served whole rather than both by chance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.config import Config, L2Advertisement, Pool, PoolSelection
from lb_controller.model.reasons import OmissionReason
from speaker.decide.eligibility import (
    OBSTACLES,
    node_obstacle,
    not_programmed,
    selected,
    serving_nodes,
    without_endpoints,
)
from speaker.decide.facts import Cluster, Omission
from speaker.decide.ranking import rank

# So many nodes may fail before an address has no owner. With all nodes in the list, those of a cluster of 100 nodes
# with 10,000 addresses would be told in more than one message can hold, and each node that goes would change them all.
MOST_CANDIDATES = 16
_NAMED = 3  # a sentence names so many nodes; the others are counted


@dataclass(frozen=True, slots=True)
class Announcement:
    """The nodes that may own the address, best first, at most MOST_CANDIDATES.

    `interfaces`: where this node answers if it owns, None means all. `rebalance`: the values by which users asked to
    move the address to its first candidate; one that is new moves it, one that goes does not.
    """

    address: Address
    candidates: tuple[str, ...]
    interfaces: frozenset[str] | None
    services: tuple[ServiceKey, ...]
    rebalance: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one address: an announcement or None, and why some of its Services are not served by it."""

    announcement: Announcement | None
    omissions: Mapping[ServiceKey, Omission]


@dataclass(frozen=True, slots=True)
class _Served:
    """One Service of the address that can be announced: the nodes good for it, its advertisements."""

    service: Service
    nodes: frozenset[str]
    advertisements: tuple[L2Advertisement, ...]


class View:
    """What the decisions of one moment share, seen from node `me`; what holds for all addresses is worked out once."""

    def __init__(self, me: str, config: Config, cluster: Cluster, *, ignore_exclusion: bool = False) -> None:
        self.me, self.config, self.cluster = me, config, cluster
        found = {name: node_obstacle(node, ignore_exclusion=ignore_exclusion) for name, node in cluster.nodes.items()}
        self.obstacles = {name: obstacle for name, obstacle in found.items() if obstacle is not None}
        self.good = frozenset(found.keys() - self.obstacles.keys())
        self._selected: dict[L2Advertisement, frozenset[str]] = {}
        self._by_pool: dict[str | None, tuple[L2Advertisement, ...]] = {}

    def nodes_of(self, advertisement: L2Advertisement) -> frozenset[str]:
        """The nodes that the advertisement selects."""
        if advertisement not in self._selected:
            nodes = self.cluster.nodes.items()
            chosen = frozenset(name for name, node in nodes if selected(advertisement.node_selectors, node.labels))
            self._selected[advertisement] = chosen
        return self._selected[advertisement]

    def advertisements_of(self, pool: Pool | None) -> tuple[L2Advertisement, ...]:
        """The advertisements that select the pool; for None those that select every pool."""
        name = None if pool is None else pool.name
        if name not in self._by_pool:
            self._by_pool[name] = tuple(
                entry
                for entry in self.config.l2_advertisements
                if (entry.pools.selects(pool) if pool is not None else entry.pools == PoolSelection())
            )
        return self._by_pool[name]


def decide(address: Address, services: Iterable[Service], view: View) -> Decision:
    """Decide one address, held by these Services."""
    pool = view.config.pool_of(address)
    served: list[_Served] = []
    omissions: dict[ServiceKey, Omission] = {}
    for service in sorted(services, key=lambda service: service.key):
        matching = _matching(address, service, pool, view)
        found = _serve(service, matching, view) if not isinstance(matching, Omission) else matching
        if isinstance(found, Omission):
            omissions[service.key] = found
        else:
            served.append(found)
    return _together(address, served, omissions, view)


def _matching(
    address: Address, service: Service, pool: Pool | None, view: View
) -> tuple[L2Advertisement, ...] | Omission:
    advertisements = view.advertisements_of(pool)
    if matching := tuple(entry for entry in advertisements if selected(entry.service_selectors, service.labels)):
        return matching
    if pool is None and not advertisements:
        message = (
            f"{address} of Service {service.key} is in no IPAddressPool, and no L2Advertisement selects every pool; "
            "put the address back into a pool"
        )
        return Omission(OmissionReason.POOL_UNKNOWN, message)
    if advertisements:
        names = ", ".join(entry.name for entry in advertisements)
        message = f"the service selectors of L2Advertisement {names} do not match the labels of Service {service.key}"
    else:
        message = f"no L2Advertisement selects the pool of {address}, which Service {service.key} has; create one"
    return Omission(OmissionReason.NO_MATCHING_ADVERTISEMENT, message)


def _serve(service: Service, matching: tuple[L2Advertisement, ...], view: View) -> _Served | Omission:
    endpoints = view.cluster.endpoints.get(service.key, ())
    if not any(endpoint.usable for endpoint in endpoints):
        return without_endpoints(service)
    serving = serving_nodes(service, endpoints)
    chosen = frozenset().union(*(view.nodes_of(entry) for entry in matching))
    possible = chosen if serving is None else chosen & serving
    if nodes := possible & view.good:
        return _Served(service, nodes, matching)
    names = ", ".join(entry.name for entry in matching)
    if not chosen:
        message = f"the node selectors of L2Advertisement {names} select no node, so none announces {service.key}"
        return Omission(OmissionReason.NO_ELIGIBLE_NODE, message)
    if not possible and (waiting := not_programmed(service, endpoints)):
        return waiting
    if not possible:
        message = f"no node selected by L2Advertisement {names} has a ready endpoint of {service.key} (policy Local)"
        return Omission(OmissionReason.NO_LOCAL_ENDPOINT, message)
    message = f"no node may announce for Service {service.key}: {_obstacles(possible, view)}"
    return Omission(OmissionReason.NO_ELIGIBLE_NODE, message)


def _obstacles(nodes: Iterable[str], view: View) -> str:
    """What stands against each of these nodes, which all have an obstacle."""
    names = sorted(name for name in nodes)
    parts = [f"{name} {OBSTACLES[view.obstacles[name]]}" for name in names[:_NAMED]]
    more = len(names) - _NAMED
    return ", ".join(parts) + (f", and {more} more" if more > 0 else "")


def _together(address: Address, served: list[_Served], omissions: dict[ServiceKey, Omission], view: View) -> Decision:
    if not served:
        return Decision(None, omissions)
    kept, nodes = [served[0]], served[0].nodes
    for other in served[1:]:
        if nodes & other.nodes:
            nodes &= other.nodes
            kept.append(other)
        else:
            first = served[0].service.key
            message = f"{address} is announced where Service {first} has endpoints; this one has none there"
            omissions[other.service.key] = Omission(OmissionReason.SHARED_ADDRESS_ELSEWHERE, message)
    advertisements = tuple(dict.fromkeys(entry for part in kept for entry in part.advertisements))
    candidates = rank(address, nodes, _weights(nodes, advertisements, view))[:MOST_CANDIDATES]
    here = [entry for entry in advertisements if view.me in view.nodes_of(entry)]
    interfaces = _interfaces(here) if view.me in candidates else None
    keys = tuple(part.service.key for part in kept)
    rebalance = frozenset(entry.rebalance for entry in advertisements if entry.rebalance)
    return Decision(Announcement(address, candidates, interfaces, keys, rebalance), omissions)


def _weights(nodes: Iterable[str], advertisements: Iterable[L2Advertisement], view: View) -> Mapping[str, int]:
    """The preference of each node: only advertisements that select it count."""
    preferring = [entry for entry in advertisements if entry.preferences]
    weights: dict[str, int] = {}
    for name in nodes if preferring else ():
        labels = view.cluster.nodes[name].labels
        found = [entry.preferences for entry in preferring if name in view.nodes_of(entry)]
        weights[name] = sum(part.weight for parts in found for part in parts if part.selector.matches(labels))
    return weights


def _interfaces(advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
    """The union; an advertisement without interfaces means all."""
    names: set[str] = set()
    for entry in advertisements:
        if not entry.interfaces:
            return None
        names |= entry.interfaces
    return frozenset(names)

"""What is announced on the local link: for each address the ranked nodes that may own it, or why nobody may.

One decision per *address*: Services that share one move together, the two addresses of a dual-stack Service may have
different owners. An address is announced by the advertisements that select its pool and one of its Services; an address
of no pool (its pool was edited, and the assignment is kept) by those that select every pool.

Services that share an address are served from the nodes good for all of them. Where there is no such node (both Local,
with endpoints on different nodes), those of the first Service by name decide, and the other has the omission
SharedAddressElsewhere: one of them is served whole rather than both by chance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.config import Config, L2Advertisement, PoolSelection
from lb_controller.model.reasons import OmissionReason
from speaker.decide.eligibility import node_obstacle, selected, serving_nodes, without_endpoints
from speaker.decide.facts import Cluster, Omission
from speaker.decide.ranking import rank


@dataclass(frozen=True, slots=True)
class Announcement:
    """The nodes that may own the address, best first; `interfaces` None means all."""

    address: Address
    candidates: tuple[str, ...]
    interfaces: frozenset[str] | None
    services: tuple[ServiceKey, ...]


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


def decide(
    address: Address, services: Iterable[Service], config: Config, cluster: Cluster, *, ignore_exclusion: bool = False
) -> Decision:
    """Decide one address, held by these Services."""
    advertisements = _selecting(address, config)
    obstacles = {name: node_obstacle(node, ignore_exclusion=ignore_exclusion) for name, node in cluster.nodes.items()}
    good = frozenset(name for name, obstacle in obstacles.items() if obstacle is None)
    served: list[_Served] = []
    omissions: dict[ServiceKey, Omission] = {}
    for service in sorted(services, key=lambda service: service.key):
        found = _serve(service, advertisements, good, cluster)
        if isinstance(found, Omission):
            omissions[service.key] = found
        else:
            served.append(found)
    return _together(address, served, omissions, cluster)


def _selecting(address: Address, config: Config) -> tuple[L2Advertisement, ...]:
    pool = config.pool_of(address)
    if pool is None:
        return tuple(entry for entry in config.l2_advertisements if entry.pools == PoolSelection())
    return tuple(entry for entry in config.l2_advertisements if entry.pools.selects(pool))


def _serve(
    service: Service, advertisements: tuple[L2Advertisement, ...], good: frozenset[str], cluster: Cluster
) -> _Served | Omission:
    matching = tuple(entry for entry in advertisements if selected(entry.service_selectors, service.labels))
    if not matching:
        message = f"no L2Advertisement selects the pool of Service {service.key} and its labels; create one"
        return Omission(OmissionReason.NO_MATCHING_ADVERTISEMENT, message)
    serving = serving_nodes(service, cluster.endpoints.get(service.key, ()))
    if serving == frozenset():
        return without_endpoints(service)
    chosen = frozenset(
        name
        for name, node in cluster.nodes.items()
        if any(selected(entry.node_selectors, node.labels) for entry in matching)
    )
    nodes = chosen & good if serving is None else chosen & good & serving
    if nodes:
        return _Served(service, nodes, matching)
    if serving is not None and not chosen & serving:
        message = f"no node selected by an L2Advertisement has a ready endpoint of Service {service.key} (policy Local)"
        return Omission(OmissionReason.NO_LOCAL_ENDPOINT, message)
    message = (
        f"no node may announce for Service {service.key}: those selected by its L2Advertisements are not ready, have "
        "no network, or carry the label node.kubernetes.io/exclude-from-external-load-balancers"
    )
    return Omission(OmissionReason.NO_ELIGIBLE_NODE, message)


def _together(
    address: Address, served: list[_Served], omissions: dict[ServiceKey, Omission], cluster: Cluster
) -> Decision:
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
    advertisements = dict.fromkeys(entry for part in kept for entry in part.advertisements)
    weights = {name: _weight(cluster.nodes[name].labels, advertisements) for name in nodes}
    candidates = rank(address, nodes, weights)
    keys = tuple(part.service.key for part in kept)
    return Decision(Announcement(address, candidates, _interfaces(advertisements), keys), omissions)


def _weight(labels: Mapping[str, str], advertisements: Iterable[L2Advertisement]) -> int:
    return sum(
        preference.weight
        for entry in advertisements
        if selected(entry.node_selectors, labels)
        for preference in entry.preferences
        if preference.selector.matches(labels)
    )


def _interfaces(advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
    """The union; an advertisement without interfaces means all."""
    names: set[str] = set()
    for entry in advertisements:
        if not entry.interfaces:
            return None
        names |= entry.interfaces
    return frozenset(names)

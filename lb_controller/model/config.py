"""The configuration as values: what the custom resources say once they were parsed and found valid.

Field meanings are MetalLB's where a field has its name. Selectors stay selectors here: which Service, node or pool they
match is decided where the labels are known. Durations are in seconds unless a name ends in `_ms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType

from lb_controller.model.address import Address, AddressRange, Family
from lb_controller.model.selectors import LabelSelector

_EMPTY: Mapping[str, str] = MappingProxyType({})


def _empty() -> Mapping[str, str]:
    return _EMPTY


@unique
class Origin(StrEnum):
    """Which API group an object came from; names are unique per origin only, ours wins."""

    HERALDLB = "heraldlb.io"
    METALLB = "metallb.io"


@unique
class SharingScope(StrEnum):
    """Who may share an address by its key: Services of one namespace, or of the whole cluster."""

    NAMESPACE = "Namespace"
    CLUSTER = "Cluster"


@dataclass(frozen=True, slots=True)
class ServiceAllocation:
    """Which Services a pool is pinned to; `priority` 0 means last, otherwise lower is better."""

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPAddressPool: `ranges` in the written order, never overlapping those of another pool in one Config."""

    name: str
    ranges: tuple[AddressRange, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    allocation: ServiceAllocation | None = None
    sharing_scope: SharingScope = SharingScope.NAMESPACE
    labels: Mapping[str, str] = field(default_factory=_empty)
    origin: Origin = Origin.HERALDLB

    def __contains__(self, address: Address) -> bool:
        return any(address in part for part in self.ranges)

    def families(self) -> frozenset[Family]:
        return frozenset(part.family for part in self.ranges)


@dataclass(frozen=True, slots=True)
class PoolSelection:
    """Pools by name or by label, united; empty names and selectors mean every pool."""

    names: frozenset[str] = frozenset()
    selectors: tuple[LabelSelector, ...] = ()

    def selects(self, pool: Pool) -> bool:
        if not self.names and not self.selectors:
            return True
        return pool.name in self.names or any(selector.matches(pool.labels) for selector in self.selectors)


@dataclass(frozen=True, slots=True)
class NodePreference:
    """A soft preference: nodes that match `selector` gain `weight` (1..100)."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """How pools are announced on the local link. Empty `node_selectors`/`service_selectors`: all; `interfaces`: all.

    `rebalance`: the user's word to move the addresses to their first nodes, once for each new value; "": none.
    """

    name: str
    pools: PoolSelection = PoolSelection()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: frozenset[str] = frozenset()
    preferences: tuple[NodePreference, ...] = ()
    rebalance: str = ""
    origin: Origin = Origin.HERALDLB


@unique
class ServiceAttribute(StrEnum):
    """What a Service may say about its own BGP routes by annotation, where the advertisement allows it."""

    MED = "med"
    PREPEND = "prepend"
    COMMUNITIES = "communities"


@dataclass(frozen=True, slots=True)
class BGPAdvertisement:
    """How pools are announced by BGP. `communities` are resolved values ("65000:1", "large:1:2:3"), aliases gone.

    `extended_communities` as they were written ("target:65000:1"); `link_bandwidth` in Mbit/s for each local endpoint.
    """

    name: str
    pools: PoolSelection = PoolSelection()
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int | None = None
    communities: frozenset[str] = frozenset()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    peers: frozenset[str] = frozenset()
    as_path_prepend: int = 0
    med: int | None = None
    extended_communities: frozenset[str] = frozenset()
    link_bandwidth: int | None = None
    service_annotations: frozenset[ServiceAttribute] = frozenset()
    origin: Origin = Origin.HERALDLB


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret of type kubernetes.io/basic-auth, key `password`, in HeraldLB's namespace."""

    name: str
    namespace: str = ""


@unique
class DynamicASN(StrEnum):
    """A peer whose AS number is learnt from its OPEN message."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class BGPPeer:
    """A BGP peer (RFC 4271). Exactly one of `peer_asn`/`dynamic_asn` and of `address`/`interface` is set."""

    name: str
    my_asn: int
    peer_asn: int | None = None
    dynamic_asn: DynamicASN | None = None
    local_asn: int | None = None
    address: Address | None = None
    interface: str = ""
    source_address: Address | None = None
    port: int = 179
    hold_time: int | None = None
    keepalive_time: int | None = None
    connect_time: int | None = None
    router_id: Address | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    password_secret: SecretReference | None = None
    bfd_profile: str = ""
    graceful_restart: bool = False
    ebgp_multi_hop: bool = False
    dual_stack_address_family: bool = False
    gtsm: bool = False
    vrf: str = ""
    origin: Origin = Origin.HERALDLB


@dataclass(frozen=True, slots=True, kw_only=True)
class BFDProfile:
    """BFD parameters (RFC 5880); None keeps the default of the profile's user."""

    name: str
    detect_multiplier: int | None = None
    receive_interval_ms: int | None = None
    transmit_interval_ms: int | None = None
    echo_interval_ms: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None
    origin: Origin = Origin.HERALDLB


@dataclass(frozen=True, slots=True)
class Config:
    """Everything valid, sorted by name. Objects with problems are absent; the others are not disturbed by them."""

    pools: tuple[Pool, ...] = ()
    l2_advertisements: tuple[L2Advertisement, ...] = ()
    bgp_advertisements: tuple[BGPAdvertisement, ...] = ()
    bgp_peers: tuple[BGPPeer, ...] = ()
    bfd_profiles: tuple[BFDProfile, ...] = ()
    community_aliases: Mapping[str, str] = field(default_factory=_empty)

    def pool_of(self, address: Address) -> Pool | None:
        """The pool that holds the address; pools never overlap."""
        return next((pool for pool in self.pools if address in pool), None)

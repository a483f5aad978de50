"""What the speaker's three processes say to each other over Unix sockets: values, tagged by `type`, JSON on the wire.

Towards the announcers everything is declarative: a Snapshot replaces what was said before, a Delta changes it. The
receiver keeps its last state while the speaker is away. Towards the speaker: reports of what is, sent on change, and
counters. Addresses travel as text, as in the API.
"""

from enum import StrEnum, unique

import msgspec

# --- speaker -> announcer (layer 2)


class LinkAnnouncement(msgspec.Struct, frozen=True, kw_only=True, tag="link-announcement"):
    """One address and the ranked nodes that may own it.

    `interfaces` None means all; `fresh`: the address was never announced before. `rebalance`: a value that was not
    among these before moves the address to its first candidate.
    """

    address: str
    candidates: tuple[str, ...]
    interfaces: tuple[str, ...] | None = None
    fresh: bool = False
    rebalance: tuple[str, ...] = ()


class LinkSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag="link-snapshot"):
    """All announcements; everything else is withdrawn. `members`: every node that runs an announcer on this link.

    `node_addresses`: the node's own addresses; they tell the link where the members meet. `unwilling`: why this node
    should own nothing now (ownership.events.Unwilling).
    """

    node: str
    members: tuple[str, ...]
    announcements: tuple[LinkAnnouncement, ...]
    node_addresses: tuple[str, ...] = ()
    unwilling: tuple[str, ...] = ()


class LinkDelta(msgspec.Struct, frozen=True, kw_only=True, tag="link-delta"):
    """Announcements that are new or changed, and addresses no longer announced. None: unchanged."""

    changed: tuple[LinkAnnouncement, ...] = ()
    removed: tuple[str, ...] = ()
    members: tuple[str, ...] | None = None
    unwilling: tuple[str, ...] | None = None


# --- announcer -> speaker


class LinkState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="link-state"):
    """The addresses that this node owns now, each with the interfaces where it answers.

    `quarantined`: new addresses that a foreign host has, with its hardware address.
    """

    owned: dict[str, tuple[str, ...]]
    quarantined: dict[str, str] = {}


class Counters(msgspec.Struct, frozen=True, kw_only=True, tag="counters"):
    """Counters and gauges since the process began: name -> label value ("" for none) -> value."""

    values: dict[str, dict[str, float]]


# --- speaker -> BGP supervisor

BANDWIDTH = "bandwidth"  # the kind of an extended community that says how much the node carries


class BfdParameters(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-parameters"):
    """How the session of a peer is watched by BFD; intervals in milliseconds, as in a BFDProfile."""

    transmit_interval: int = 300
    receive_interval: int = 300
    detect_multiplier: int = 3
    passive: bool = False
    minimum_ttl: int = 254


class Peer(msgspec.Struct, frozen=True, kw_only=True, tag="bgp-peer"):
    """One BGP session of this node, ready to be configured: every name resolved, the password in clear.

    `address` "": that of the only neighbour on `interface`. `peer_asn` 0: learnt from the peer's OPEN. `local_address`
    None: the one that the kernel uses towards the peer. `keepalive_time` None: a third of the hold time; `connect_time`
    None: 0.25 to 10 s between attempts; `gtsm`: TTL security (RFC 5082). `next_hop_v4`, `next_hop_v6`: next hop of the
    routes of that family, "" for the session's local address. `interface`: bind the session to that interface (a VRF
    device, or the link of a link-local address).
    """

    name: str
    address: str
    local_asn: int
    peer_asn: int
    local_address: str | None = None
    router_id: str
    port: int = 179
    hold_time: int = 90
    keepalive_time: int | None = None
    connect_time: int | None = None
    gtsm: bool = False
    password: str = ""
    multi_hop: bool = False
    graceful_restart: bool = False
    families: tuple[str, ...] = ("ipv4", "ipv6")
    next_hop_v4: str = ""
    next_hop_v6: str = ""
    interface: str = ""
    bfd: BfdParameters | None = None

    def __repr__(self) -> str:
        """Without the password: a peer may end up in a log line or a traceback."""
        return f"Peer({self.name} {self.address} AS {self.local_asn} -> {self.peer_asn})"


@unique
class Parting(StrEnum):
    """Whether a route is on its way out.

    A demoted one is the last choice of every router (RFC 8326) as long as it is there. One that leaves is demoted for
    the time of the drain, then withdrawn; where it is not announced yet, it is not announced at all.
    """

    STAYS = "stays"
    DEMOTED = "demoted"
    LEAVES = "leaves"


class Route(msgspec.Struct, frozen=True, kw_only=True, tag="bgp-route"):
    """One prefix and its attributes towards some peers (by name).

    `extended` holds extended communities: "target:A:B", "origin:A:B", and "bandwidth:N" in Mbit/s.
    """

    prefix: str
    peers: tuple[str, ...]
    local_pref: int | None = None
    med: int | None = None
    prepend: int = 0
    communities: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    parting: Parting = Parting.STAYS


class BgpSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag="bgp-snapshot"):
    """All sessions and routes of this node; everything else is closed or withdrawn.

    `for_good`: the node is being drained, so a stop of the process is no restart, and no peer shall keep its routes.
    """

    peers: tuple[Peer, ...]
    routes: tuple[Route, ...]
    for_good: bool = False


# --- BGP supervisor -> announcer (radv.sock)

RADV_SOCKET = "radv.sock"


class AdvertiseRouter(msgspec.Struct, frozen=True, kw_only=True, tag="advertise-router"):
    """The interfaces on which this node shall tell by Router Advertisements that it is there; no others."""

    interfaces: tuple[str, ...]


# --- BGP supervisor -> speaker


@unique
class Phase(StrEnum):
    """How far a session is (RFC 4271, 8.2.2, in the words that the daemon gives): TCP, OPEN, established."""

    CONNECTING = "Connecting"
    OPENING = "Opening"
    ESTABLISHED = "Established"
    NOT_CONFIGURED = "NotConfigured"


class SessionState(msgspec.Struct, frozen=True, kw_only=True, tag="bgp-session"):
    """State of one session, what the peer or the daemon said last, how many routes were sent to it.

    `address`: of the peer, where it was found and not given. `since`: seconds since the epoch at which the session
    entered or left the phase Established.
    """

    peer: str
    up: bool
    phase: Phase = Phase.CONNECTING
    since: float = 0.0
    last_error: str = ""
    routes: int = 0
    bfd: str = ""
    address: str = ""


class BgpState(msgspec.Struct, frozen=True, kw_only=True, tag="bgp-state"):
    """All sessions of this node."""

    sessions: tuple[SessionState, ...]


# --- BFD: BGP supervisor -> announcer, over bfd.sock


class BfdKey(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-key"):
    """A shared secret, and the number by which packets name it (0 to 255)."""

    id: int
    secret: bytes

    def __repr__(self) -> str:
        """Without the secret."""
        return f"BfdKey({self.id})"


class BfdAuthentication(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-authentication"):
    """RFC 5880 6.7; `kind`: one of BFD_AUTHENTICATION. The first key seals, each is accepted."""

    kind: str
    keys: tuple[BfdKey, ...]


class BfdSession(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-session"):
    """One BFD session that is wanted. Intervals are in milliseconds.

    `name` comes back in the reports. `interface` "": any (a link-local peer needs one; multiple hops have none).
    `local` "": the address that the kernel uses towards the peer. `minimum_ttl`: of what comes over multiple hops.
    """

    name: str
    peer: str
    interface: str = ""
    local: str = ""
    multi_hop: bool = False
    minimum_ttl: int = 254
    transmit_interval: int = 300
    receive_interval: int = 300
    detect_multiplier: int = 3
    passive: bool = False
    authentication: BfdAuthentication | None = None


class BfdSessions(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-sessions"):
    """All BFD sessions that the supervisor wants; others that it wanted before end, administratively down."""

    sessions: tuple[BfdSession, ...]


# --- announcer -> BGP supervisor, over bfd.sock


class BfdSessionState(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-session-state"):
    """State of one session; states are AdminDown, Down, Init or Up, `diagnostic` is ours (RFC 5880 4.1).

    `failures`: how often it was up and failed; AdminDown, here or there, is no failure (RFC 5882 3.2). `problem`: why
    the session cannot be run as it is wanted.
    """

    name: str
    state: str = "Down"
    remote_state: str = "Down"
    diagnostic: int = 0
    failures: int = 0
    problem: str = ""

    @property
    def up(self) -> bool:
        return self.state == "Up"


class BfdState(msgspec.Struct, frozen=True, kw_only=True, tag="bfd-state"):
    """All sessions, on every change. `instance`: another one when the announcer began anew, and counts from 0."""

    instance: str
    sessions: tuple[BfdSessionState, ...]


BFD_AUTHENTICATION = (
    "SimplePassword",
    "KeyedMD5",
    "MeticulousKeyedMD5",
    "KeyedSHA1",
    "MeticulousKeyedSHA1",
)  # in the order of their numbers on the wire, from 1

ToAnnouncer = LinkSnapshot | LinkDelta
FromAnnouncer = LinkState | Counters
ToBgp = BgpSnapshot
FromBgp = BgpState | Counters
ToBfd = BfdSessions
FromBfd = BfdState
AnyMessage = (
    LinkSnapshot | LinkDelta | LinkState | Counters | BgpSnapshot | BgpState | AdvertiseRouter | BfdSessions | BfdState
)

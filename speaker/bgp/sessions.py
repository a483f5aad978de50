"""A peer that can be configured: every value typed and checked, the local address known.

What comes over the socket is text; `session_of` is the one place where it becomes typed values. Nothing that a name,
a password or an address contains can break out of the daemon's configuration or of a command, because only typed
values (and the password as base64) are ever written there. Two peers with one address cannot coexist on one node:
the daemon tells its events apart by the peer's address alone.
"""

import base64
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lb_controller.model.address import Address, Family
from speaker.bgp.network import Neighbour
from speaker.ipc.messages import BfdParameters, BfdSession, Peer

# RFC 4271, 4.2: "The Hold Time MUST be either zero or at least three seconds."
LEAST_HOLD_TIME = 3
MOST_HOLD_TIME = 65535
MOST_ASN = 2**32 - 1
# The kernel's limit for a TCP-MD5 key (RFC 2385), in octets.
LONGEST_PASSWORD = 80
# IFNAMSIZ is 16 with the closing zero; no character that the daemon's parser gives a meaning to.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_NAMED = 3  # a sentence names so many neighbours
_FAMILIES = {"ipv4": Family.IPV4, "ipv6": Family.IPV6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One BGP session as the daemon is told. `peer_asn` None: learnt from the peer's OPEN.

    `next_hops` holds the next hop of each family that the session carries: a family without one is not announced.
    """

    name: str
    address: Address
    local_address: Address
    local_asn: int
    peer_asn: int | None
    router_id: ipaddress.IPv4Address
    port: int = 179
    hold_time: int = 90
    password: bytes = field(default=b"", repr=False)
    multi_hop: bool = False
    graceful_restart: bool = False
    next_hops: Mapping[Family, Address]
    interface: str = ""
    keepalive_time: int | None = None
    connect_time: int | None = None
    gtsm: bool = False
    bfd: BfdParameters | None = None

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(sorted(self.next_hops))

    @property
    def internal(self) -> bool:
        """Whether this is an iBGP session; a peer whose ASN is learnt counts as external."""
        return self.peer_asn == self.local_asn

    @property
    def selector(self) -> str:
        """How commands name this session. Equal selectors are one neighbour to the daemon, with one table of routes."""
        peer_asn = "auto" if self.peer_asn is None else self.peer_asn
        return (
            f"neighbor {self.address} local-ip {self.local_address} local-as {self.local_asn} "
            f"peer-as {peer_asn} router-id {self.router_id}"
        )

    @property
    def password_text(self) -> str:
        """The password as base64: no character of it needs quoting."""
        return base64.b64encode(self.password).decode("ascii")


class Way(Protocol):
    """What is asked of the kernel; the first two may raise OSError."""

    def local_address(self, peer: Address, interface: str) -> Address:
        """The source address towards a peer."""

    def neighbours(self, interface: str) -> list[Neighbour]:
        """The link-local neighbours on an interface."""

    def on_link(self, peer: Address, interface: str) -> bool:
        """Whether the peer is on a link of this node, and not behind a gateway."""


def sessions_of(peers: Iterable[Peer], way: Way) -> tuple[tuple[Session, ...], dict[str, str]]:
    """The sessions of all peers that can be configured, sorted by name, and a sentence for each peer that cannot."""
    found: dict[Address, Session] = {}
    refused: dict[str, str] = {}
    for peer in sorted(peers, key=lambda peer: peer.name):
        try:
            session = session_of(peer, way)
        except ValueError as error:
            refused[peer.name] = str(error)
            continue
        except OSError as error:
            where = peer.address or f"the neighbour on {peer.interface}"
            refused[peer.name] = f"this node has no way to {where}: {error.strerror or error}"
            continue
        first = found.setdefault(session.address, session)
        if first is not session:
            refused[peer.name] = (
                f"peer {first.name} of this node has the address {session.address} too; keep one of them"
            )
    return tuple(sorted(found.values(), key=lambda session: session.name)), refused


def session_of(peer: Peer, way: Way) -> Session:
    """Check and type one peer. Raises ValueError with a sentence, OSError when the kernel knows no way."""
    _check_numbers(peer)
    if peer.interface and not _INTERFACE.fullmatch(peer.interface):
        raise ValueError(f"{peer.interface!r} is not the name of an interface")
    if peer.address:
        address = _address(peer.address, "the peer's address")
    else:
        address = the_neighbour(peer.interface, way.neighbours(peer.interface))
    if address.is_link_local and address.version == 6 and not peer.interface:
        raise ValueError(f"{address} is a link-local address, which needs an interface; write {address}%INTERFACE")
    if peer.local_address is None:
        local = way.local_address(address, peer.interface)
    else:
        local = _address(peer.local_address, "the source address")
    if local.version != address.version:
        raise ValueError(f"the source address {local} and the peer's address {address} are of different families")
    router_id = _address(peer.router_id, "the router ID")
    if not isinstance(router_id, ipaddress.IPv4Address) or not int(router_id):
        raise ValueError(f"the router ID {router_id} is not an IPv4 address other than 0.0.0.0")
    password = peer.password.encode()
    if len(password) > LONGEST_PASSWORD:
        raise ValueError(f"the password has {len(password)} octets; TCP-MD5 takes {LONGEST_PASSWORD} at most")
    return Session(
        name=peer.name,
        address=address,
        local_address=local,
        local_asn=peer.local_asn,
        peer_asn=peer.peer_asn or None,
        router_id=router_id,
        port=peer.port,
        hold_time=peer.hold_time,
        password=password,
        multi_hop=peer.multi_hop,
        graceful_restart=peer.graceful_restart,
        next_hops=_next_hops(peer, local),
        interface=peer.interface,
        keepalive_time=peer.keepalive_time,
        connect_time=peer.connect_time,
        gtsm=peer.gtsm,
        bfd=peer.bfd,
    )


def the_neighbour(interface: str, neighbours: Iterable[Neighbour]) -> Address:
    """The one that an unnumbered session is with: the only router, else the only neighbour. Raises ValueError."""
    known = sorted(neighbours, key=lambda entry: entry.address)
    routers = [entry for entry in known if entry.router]
    meant = routers or known
    if len(meant) == 1:
        return meant[0].address
    if not meant:
        raise ValueError(
            f"no neighbour on {interface} yet: no router advertisement came, and nobody has a link-local address there"
        )
    named = ", ".join(str(entry.address) for entry in meant[:_NAMED])
    what = "routers" if routers else "neighbours, none of them known as router,"
    raise ValueError(f"{len(meant)} {what} are on {interface} ({named}); write peerAddress with the one that is meant")


def _address(text: str, what: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{what} {text!r} is not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError(f"{what} {text!r} has a zone; give the interface instead")
    return address


def _check_numbers(peer: Peer) -> None:
    for asn, what, least in ((peer.local_asn, "local ASN", 1), (peer.peer_asn, "peer ASN", 0)):
        if not least <= asn <= MOST_ASN:
            raise ValueError(f"the {what} {asn} is not between 1 and {MOST_ASN}")
    if not 1 <= peer.port <= 65535:
        raise ValueError(f"the port {peer.port} is not between 1 and 65535")
    if peer.gtsm and peer.multi_hop:
        raise ValueError("TTL security is for peers one hop away; it cannot stand beside multihop")
    if peer.hold_time != 0 and not LEAST_HOLD_TIME <= peer.hold_time <= MOST_HOLD_TIME:
        raise ValueError(f"the hold time {peer.hold_time} is neither 0 nor {LEAST_HOLD_TIME} to {MOST_HOLD_TIME} s")


def _next_hops(peer: Peer, local: Address) -> dict[Family, Address]:
    """The next hop per family. IPv4 routes may have an IPv6 next hop (RFC 8950), IPv6 routes never an IPv4 one."""
    found: dict[Family, Address] = {}
    for name in peer.families:
        if name not in _FAMILIES:
            raise ValueError(f"{name!r} is no address family; ipv4 and ipv6 are")
        family = _FAMILIES[name]
        text = peer.next_hop_v4 if family is Family.IPV4 else peer.next_hop_v6
        hop = _address(text, "the next hop") if text else local
        if family is Family.IPV6 and hop.version == 4:
            raise ValueError(f"IPv6 routes towards {peer.address} need an IPv6 next hop, and {hop} is IPv4")
        found[family] = hop
    if not found:
        raise ValueError("the peer carries no address family")
    return found


def bfd_sessions(sessions: Iterable[Session], way: Way) -> tuple[BfdSession, ...]:
    """The BFD sessions that watch these, under the same names.

    Over several hops where the peer is, as FRR sees it too: with ebgpMultiHop, and towards an iBGP peer behind a
    gateway.
    """
    return tuple(_bfd_session(session, session.bfd, way) for session in sessions if session.bfd is not None)


def _bfd_session(session: Session, bfd: BfdParameters, way: Way) -> BfdSession:
    far = session.multi_hop or (session.internal and not way.on_link(session.address, session.interface))
    return BfdSession(
        name=session.name,
        peer=str(session.address),
        interface="" if far else session.interface,
        local=str(session.local_address),
        multi_hop=far,
        minimum_ttl=bfd.minimum_ttl,
        transmit_interval=bfd.transmit_interval,
        receive_interval=bfd.receive_interval,
        detect_multiplier=bfd.detect_multiplier,
        passive=bfd.passive,
    )

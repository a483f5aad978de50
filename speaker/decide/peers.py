"""The BGP peers of one node: BGPPeer objects -> sessions that can be configured, or why a peer has none.

A session carries the family of the peer's address; with dualStackAddressFamily also the other one, whose next hop is
the node's address of that family (IPv4 routes fall back to the session's own IPv6 address, RFC 8950). An unnumbered
session (`interface`) carries both over link-local addresses, which are the next hops of both. The router ID is
the given one, else the node's IPv4 address, else 32 bits of the hash of its name: it must not change with a restart.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from lb_controller.model.cluster import Node
from lb_controller.model.config import BGPPeer, Config, DynamicASN
from speaker.decide.eligibility import selected
from speaker.ipc.messages import BfdParameters, Peer

HOLD_TIME = 90  # seconds; RFC 4271, section 10, suggests it
_FAMILY = {4: "ipv4", 6: "ipv6"}


@dataclass(frozen=True, slots=True)
class NodePeers:
    """Sessions sorted by name; `refused`: a sentence for each peer without a session; `notes`: for those with one."""

    peers: tuple[Peer, ...]
    refused: Mapping[str, str]
    notes: Mapping[str, str]


def peers_of(config: Config, node: Node, passwords: Mapping[str, str]) -> NodePeers:
    """The peers that select this node. `passwords`: by the name of the Secret, only those that exist."""
    found: dict[str, Peer] = {}
    refused: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    first_at: dict[str, str] = {}
    for peer in sorted(config.bgp_peers, key=lambda peer: peer.name):
        if not selected(peer.node_selectors, node.labels):
            continue
        obstacle = _obstacle(peer, passwords)
        where = f"the interface {peer.interface}" if peer.address is None else f"the address {peer.address}"
        first = first_at.setdefault(where, peer.name) if obstacle is None else peer.name
        if first != peer.name:
            obstacle = f"BGPPeer {first} selects this node and has {where} too; keep one of them"
            notes[first].append(f"BGPPeer {peer.name} selects this node and has {where} too, and has no session")
        if obstacle is not None:
            refused[peer.name] = obstacle
            continue
        found[peer.name] = _session(peer, node, passwords, _bfd(peer, config))
        notes[peer.name] = _notes(peer, found[peer.name], config)
    told = {name: "; ".join(parts) for name, parts in notes.items() if parts}
    return NodePeers(tuple(found[name] for name in sorted(found)), refused, told)


def _obstacle(peer: BGPPeer, passwords: Mapping[str, str]) -> str | None:
    if peer.vrf and peer.interface:
        return (
            f"interface {peer.interface} and vrf {peer.vrf} cannot stand together; the interface is in its VRF already"
        )
    zone = _zone(peer)
    if peer.address is not None and peer.address.version == 6 and peer.address.is_link_local and not zone:
        return f"{peer.address} is a link-local address; write {peer.address}%INTERFACE, or interface instead"
    reference = peer.password_secret
    if reference is not None and reference.name not in passwords:
        return f"Secret {reference.name} with key password was not found in HeraldLB's namespace; create it there"
    return None


def _session(peer: BGPPeer, node: Node, passwords: Mapping[str, str], bfd: BfdParameters | None) -> Peer:
    own = {address.version: str(address) for address in reversed(node.addresses)}
    link_local = peer.address is None or bool(_zone(peer))
    version = 6 if peer.address is None else peer.address.version
    families = [_FAMILY[version]]
    # An IPv6 route needs an IPv6 next hop; an IPv4 route may do with the IPv6 address of the session.
    if peer.address is None or (peer.dual_stack_address_family and (version == 6 or 6 in own)):
        families = ["ipv4", "ipv6"]
    local_asn = peer.local_asn or peer.my_asn
    secret = peer.password_secret
    return Peer(
        name=peer.name,
        address="" if peer.address is None else str(peer.address).partition("%")[0],
        local_asn=local_asn,
        peer_asn=_peer_asn(peer, local_asn),
        local_address=None if peer.source_address is None else str(peer.source_address),
        router_id=str(peer.router_id or own.get(4) or _router_id(node.name)),
        port=peer.port,
        hold_time=HOLD_TIME if peer.hold_time is None else peer.hold_time,
        keepalive_time=peer.keepalive_time,
        connect_time=peer.connect_time,
        gtsm=peer.gtsm,
        password=peer.password if secret is None else passwords[secret.name],
        multi_hop=peer.ebgp_multi_hop,
        graceful_restart=peer.graceful_restart,
        families=tuple(families),
        next_hop_v4=own.get(4, "") if version == 6 and not link_local else "",
        next_hop_v6=own.get(6, "") if version == 4 else "",
        interface=peer.interface or _zone(peer) or peer.vrf,
        bfd=bfd,
    )


def _bfd(peer: BGPPeer, config: Config) -> BfdParameters | None:
    """The peer's profile; what it leaves open has the defaults of FRR, as MetalLB's users know them."""
    profile = next((entry for entry in config.bfd_profiles if entry.name == peer.bfd_profile), None)
    if profile is None:
        return None
    default = BfdParameters()
    return BfdParameters(
        transmit_interval=profile.transmit_interval_ms or default.transmit_interval,
        receive_interval=profile.receive_interval_ms or default.receive_interval,
        detect_multiplier=profile.detect_multiplier or default.detect_multiplier,
        passive=profile.passive_mode,
        minimum_ttl=profile.minimum_ttl or default.minimum_ttl,
    )


def _zone(peer: BGPPeer) -> str:
    """The interface of a link-local address, as it stands behind the `%`."""
    return str(peer.address).partition("%")[2]


def _peer_asn(peer: BGPPeer, local_asn: int) -> int:
    """0: learnt from the peer's OPEN."""
    if peer.dynamic_asn is DynamicASN.INTERNAL:
        return local_asn
    return 0 if peer.dynamic_asn is DynamicASN.EXTERNAL else peer.peer_asn or 0


def _router_id(name: str) -> ipaddress.IPv4Address:
    """RFC 6286, 2.1: the BGP Identifier is a 4-octet, unsigned, non-zero integer."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return ipaddress.IPv4Address(number or 1)


def _notes(peer: BGPPeer, session: Peer, config: Config) -> list[str]:
    """What of the object is not done, though the session is there."""
    parts = []
    profile = next((entry for entry in config.bfd_profiles if entry.name == peer.bfd_profile), None)
    if profile is not None and profile.echo_mode:
        parts.append(f"echoMode of BFDProfile {profile.name} is not built: control packets watch the session")
    if peer.dual_stack_address_family and len(session.families) == 1:
        parts.append("dualStackAddressFamily has no effect: this node has no IPv6 address for the next hop")
    return parts

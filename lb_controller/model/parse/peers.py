"""BGPPeer: the fields of MetalLB's v1beta2. Its deprecated v1beta1 has some of them, and writes 0s for times unset."""

from lb_controller.model.config import BGPPeer, DynamicASN, SecretReference
from lb_controller.model.names import METALLB_GROUP
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem
from lb_controller.model.parse.reader import Reader

_LARGEST = 2**32 - 1


def bgp_peer(raw: RawObject, problems: list[Problem]) -> BGPPeer | None:
    """A BGPPeer, or None when a field cannot be used."""
    before = len(problems)
    spec = raw.reader(problems)
    my_asn = spec.number("myASN", 1, _LARGEST)
    if my_asn is None and not spec.has("myASN"):
        spec.wrong("myASN", "is missing; write this side's AS number")
    hold, keepalive = _times(spec, zero_is_unset=raw.body.get("apiVersion") == f"{METALLB_GROUP}/v1beta1")
    found = BGPPeer(
        name=raw.name,
        my_asn=my_asn or 0,
        peer_asn=_asn(spec),
        dynamic_asn=_dynamic(spec),
        local_asn=spec.number("localASN", 1, _LARGEST),
        address=spec.address("peerAddress", zone=True),
        interface=spec.text("interface"),
        source_address=spec.address("sourceAddress"),
        port=spec.number("peerPort", 0, 65535) or 179,
        hold_time=hold,
        keepalive_time=keepalive,
        connect_time=_whole(spec, "connectTime", 1, 65535),
        router_id=spec.address("routerID"),
        node_selectors=spec.selectors("nodeSelectors"),
        password=spec.text("password"),
        password_secret=_secret(spec),
        bfd_profile=spec.text("bfdProfile"),
        graceful_restart=spec.flag("enableGracefulRestart", False),
        ebgp_multi_hop=spec.flag("ebgpMultiHop", False),
        dual_stack_address_family=spec.flag("dualStackAddressFamily", False),
        gtsm=spec.flag("ttlSecurity", False),
        vrf=spec.text("vrf"),
        origin=raw.origin,
    )
    _check_pairs(spec, found)
    _check_multi_hop(spec, found)
    return found if len(problems) == before else None


def _asn(spec: Reader) -> int | None:
    asn = spec.number("peerASN", 0, _LARGEST)
    return asn or None  # MetalLB's objects carry peerASN: 0 beside dynamicASN


def _dynamic(spec: Reader) -> DynamicASN | None:
    text = spec.text("dynamicASN")
    if text and text not in list(DynamicASN):
        spec.wrong("dynamicASN", f"{text!r} is neither internal nor external")
        return None
    return DynamicASN(text) if text else None


def _times(spec: Reader, *, zero_is_unset: bool) -> tuple[int | None, int | None]:
    hold, keepalive = _whole(spec, "holdTime", 0, 65535), _whole(spec, "keepaliveTime", 0, 21845)
    if zero_is_unset:
        hold, keepalive = hold or None, keepalive or None
    # RFC 4271 4.2: "The Hold Time MUST be either zero or at least three seconds."
    if hold is not None and 0 < hold < 3:
        spec.wrong("holdTime", f"{hold}s is neither 0 nor at least 3s")
        return None, keepalive
    if hold is None and keepalive is not None:
        hold = keepalive * 3
    elif hold is not None and keepalive is None:
        keepalive = hold // 3
    if hold is not None and keepalive is not None and keepalive > hold:
        spec.wrong("keepaliveTime", f"{keepalive}s is longer than holdTime {hold}s; write a third of it")
    return hold, keepalive


def _whole(spec: Reader, field: str, low: int, high: int) -> int | None:
    seconds = spec.seconds(field)
    if seconds is None:
        return None
    if seconds != int(seconds) or not low <= seconds <= high:
        spec.wrong(field, f"{seconds:g}s is not a whole number of seconds from {low} to {high}")
        return None
    return int(seconds)


def _secret(spec: Reader) -> SecretReference | None:
    if not spec.has("passwordSecret"):
        return None
    reader = spec.sub("passwordSecret")
    name = reader.text("name")
    return SecretReference(name, reader.text("namespace")) if name else None


def _check_multi_hop(spec: Reader, peer: BGPPeer) -> None:
    if peer.ebgp_multi_hop and peer.peer_asn is not None and peer.peer_asn == peer.my_asn:
        spec.wrong("ebgpMultiHop", f"peerASN equals myASN {peer.my_asn}, which is iBGP; remove ebgpMultiHop")
    if peer.ebgp_multi_hop and peer.dynamic_asn is DynamicASN.INTERNAL:
        spec.wrong("ebgpMultiHop", "dynamicASN is internal, which is iBGP; remove ebgpMultiHop")


def _check_pairs(spec: Reader, peer: BGPPeer) -> None:
    if peer.gtsm and peer.ebgp_multi_hop:
        spec.wrong("ttlSecurity", "is for peers one hop away; remove it or ebgpMultiHop")
    if (peer.peer_asn is None) == (peer.dynamic_asn is None):
        spec.wrong("peerASN", "write exactly one of peerASN and dynamicASN")
    if (peer.address is None) == (not peer.interface) and not spec.text("peerAddress"):
        spec.wrong("peerAddress", "write exactly one of peerAddress and interface")
    elif peer.interface and spec.text("peerAddress"):
        spec.wrong("interface", "write exactly one of peerAddress and interface")
    if peer.password and peer.password_secret is not None:
        spec.wrong("password", "write either password or passwordSecret, not both")
    if peer.router_id is not None and peer.router_id.version != 4:
        spec.wrong("routerID", f"{peer.router_id} is not an IPv4 address")
    if peer.source_address and peer.address and peer.source_address.version != peer.address.version:
        spec.wrong("sourceAddress", f"{peer.source_address} and peerAddress {peer.address} are of different families")

import ipaddress
from typing import Any

import pytest

from lb_controller.model.address import Address, Family
from speaker.bgp.network import Neighbour
from speaker.bgp.sessions import bfd_sessions, session_of, sessions_of
from speaker.ipc.messages import BfdParameters, Peer

LOCAL = {4: ipaddress.ip_address("192.0.2.11"), 6: ipaddress.ip_address("2001:db8::11")}


OWN = ipaddress.IPv6Address("fe80::11")
ONE, TWO = ipaddress.IPv6Address("fe80::1"), ipaddress.IPv6Address("fe80::2")


class Kernel:
    """The way to every peer but one, and some neighbours."""

    def __init__(self, *neighbours: Neighbour) -> None:
        self._neighbours = list(neighbours)

    def local_address(self, peer: Address, interface: str) -> Address:  # noqa: ARG002 - as the kernel is asked
        if str(peer) == "192.0.2.66":
            raise OSError(101, "Network is unreachable")
        return OWN if peer.is_link_local else LOCAL[peer.version]

    def neighbours(self, interface: str) -> list[Neighbour]:
        if interface == "gone":
            raise OSError(19, "No such device")
        return self._neighbours

    def on_link(self, peer: Address, interface: str) -> bool:  # noqa: ARG002 - as the kernel is asked
        return str(peer) != "192.0.2.99"


KERNEL = Kernel()


def peer(**changes: Any) -> Peer:
    given: dict[str, Any] = {
        "name": "tor",
        "address": "192.0.2.1",
        "local_asn": 64512,
        "peer_asn": 64500,
        "router_id": "192.0.2.11",
        "families": ("ipv4",),
    }
    return Peer(**{**given, **changes})


def test_the_kernel_s_address_is_the_local_address_and_the_next_hop() -> None:
    session = session_of(peer(), KERNEL)
    assert session.local_address == LOCAL[4]
    assert session.next_hops == {Family.IPV4: LOCAL[4]}


def test_a_given_source_address_wins() -> None:
    session = session_of(peer(local_address="192.0.2.12"), KERNEL)
    assert str(session.local_address) == "192.0.2.12"


def test_each_family_may_have_a_next_hop_of_its_own() -> None:
    session = session_of(peer(families=("ipv4", "ipv6"), next_hop_v6="2001:db8::12"), KERNEL)
    assert session.next_hops == {Family.IPV4: LOCAL[4], Family.IPV6: ipaddress.ip_address("2001:db8::12")}
    assert session.families == (Family.IPV4, Family.IPV6)


def test_an_asn_of_zero_is_learnt_from_the_peer() -> None:
    session = session_of(peer(peer_asn=0), KERNEL)
    assert session.peer_asn is None
    assert "peer-as auto" in session.selector
    assert not session.internal


def test_a_session_within_one_asn_is_internal() -> None:
    assert session_of(peer(peer_asn=64512), KERNEL).internal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"address": "192.0.2.1;"}, "is not an IP address"),
        ({"address": "fe80::1%eth0"}, "has a zone"),
        ({"local_asn": 0}, "local ASN 0"),
        ({"peer_asn": 2**32}, "peer ASN 4294967296"),
        ({"port": 0}, "port 0"),
        ({"hold_time": 2}, "hold time 2"),
        ({"hold_time": 65536}, "hold time 65536"),
        ({"router_id": "2001:db8::1"}, "router ID"),
        ({"router_id": "0.0.0.0"}, "router ID"),
        ({"local_address": "2001:db8::11"}, "different families"),
        ({"password": "x" * 81}, "81 octets"),
        ({"password": "é" * 41}, "82 octets"),
        ({"interface": "eth0; passive true"}, "not the name of an interface"),
        ({"families": ()}, "no address family"),
        ({"families": ("ipx",)}, "'ipx'"),
        ({"families": ("ipv6",)}, "need an IPv6 next hop"),
    ],
)
def test_what_cannot_be_configured_is_refused_with_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        session_of(peer(**changes), KERNEL)


def test_one_bad_peer_leaves_the_others_alone() -> None:
    peers = [peer(name="b"), peer(name="a", address="nowhere"), peer(name="c", address="192.0.2.66")]
    sessions, refused = sessions_of(peers, KERNEL)
    assert [session.name for session in sessions] == ["b"]
    assert "nowhere" in refused["a"]
    assert refused["c"] == "this node has no way to 192.0.2.66: Network is unreachable"


def test_of_two_peers_with_one_address_the_first_by_name_stays() -> None:
    sessions, refused = sessions_of([peer(name="z"), peer(name="a", port=1179)], KERNEL)
    assert [session.name for session in sessions] == ["a"]
    assert "peer a" in refused["z"]


def test_neither_session_nor_peer_shows_its_password() -> None:
    secret = peer(password="s3cret")
    assert "s3cret" not in repr(secret)
    assert "s3cret" not in repr(session_of(secret, KERNEL))


def unnumbered(*neighbours: Neighbour, **changes: Any) -> str:
    """The address of the session, or why there is none."""
    found = peer(address="", interface="eth1", families=("ipv4", "ipv6"), **changes)
    sessions, refused = sessions_of([found], Kernel(*neighbours))
    return refused["tor"] if refused else str(sessions[0].address)


def test_an_unnumbered_session_is_with_the_only_router_on_its_link() -> None:
    assert unnumbered(Neighbour(ONE, False), Neighbour(TWO, True)) == "fe80::2"
    session = session_of(peer(address="", interface="eth1", families=("ipv4", "ipv6")), Kernel(Neighbour(ONE, True)))
    assert session.next_hops == {Family.IPV4: OWN, Family.IPV6: OWN}
    assert session.local_address == OWN


def test_without_a_router_it_is_with_the_only_neighbour() -> None:
    assert unnumbered(Neighbour(ONE, False)) == "fe80::1"


def test_nobody_or_too_many_are_told_with_their_names() -> None:
    assert "no neighbour on eth1 yet" in unnumbered()
    assert "2 routers are on eth1 (fe80::1, fe80::2)" in unnumbered(Neighbour(ONE, True), Neighbour(TWO, True))
    both = unnumbered(Neighbour(ONE, False), Neighbour(TWO, False))
    assert "2 neighbours, none of them known as router, are on eth1" in both


def test_an_interface_that_does_not_exist_is_told() -> None:
    sessions, refused = sessions_of([peer(address="", interface="gone")], KERNEL)
    assert sessions == ()
    assert refused == {"tor": "this node has no way to the neighbour on gone: No such device"}


def test_a_link_local_address_needs_its_interface() -> None:
    with pytest.raises(ValueError, match="write fe80::1%INTERFACE"):
        session_of(peer(address="fe80::1", families=("ipv6",)), KERNEL)
    assert session_of(peer(address="fe80::1", interface="eth1", families=("ipv6",)), KERNEL).interface == "eth1"


def test_ttl_security_is_for_one_hop() -> None:
    with pytest.raises(ValueError, match="one hop"):
        session_of(peer(gtsm=True, multi_hop=True), KERNEL)


def test_a_session_with_a_profile_is_watched_by_bfd_under_its_name() -> None:
    bfd = BfdParameters(transmit_interval=200, detect_multiplier=4)
    sessions, _ = sessions_of([peer(bfd=bfd), peer(name="plain", address="192.0.2.2")], KERNEL)
    [found] = bfd_sessions(sessions, KERNEL)
    assert (found.name, found.peer, found.local) == ("tor", "192.0.2.1", "192.0.2.11")
    assert (found.transmit_interval, found.detect_multiplier, found.multi_hop) == (200, 4, False)


@pytest.mark.parametrize(
    ("changes", "far"),
    [
        ({"multi_hop": True}, True),
        ({"peer_asn": 64512, "address": "192.0.2.99"}, True),
        ({"peer_asn": 64512}, False),
        ({"address": "192.0.2.99"}, False),
    ],
)
def test_bfd_goes_over_several_hops_where_the_peer_is(changes: dict[str, Any], far: bool) -> None:
    sessions, _ = sessions_of([peer(bfd=BfdParameters(), **changes)], KERNEL)
    assert [found.multi_hop for found in bfd_sessions(sessions, KERNEL)] == [far]

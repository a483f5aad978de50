"""What is asked and overheard on the wire, held against scapy."""

from ipaddress import ip_address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from speaker.announcer.layer2 import arp, ndp

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ME4, VIP4 = ip_address("192.0.2.11"), ip_address("192.0.2.200")
ME6, VIP6 = ip_address("fe80::11"), ip_address("2001:db8::200")


def test_the_arp_question_is_the_one_that_scapy_builds() -> None:
    ether = Ether(src=MAC.hex(":"), dst="ff:ff:ff:ff:ff:ff")
    wanted = ether / ARP(op=1, hwsrc=MAC.hex(":"), psrc=str(ME4), hwdst="00:00:00:00:00:00", pdst=str(VIP4))
    assert arp.question(MAC, ME4.packed, VIP4.packed) == bytes(wanted)


def test_the_solicitation_is_the_one_that_scapy_builds() -> None:
    ether = Ether(src=MAC.hex(":"), dst="33:33:ff:00:02:00")
    option = ICMPv6NDOptSrcLLAddr(lladdr=MAC.hex(":"))
    packet = IPv6(src=str(ME6), dst="ff02::1:ff00:200", hlim=255) / ICMPv6ND_NS(tgt=str(VIP6)) / option
    assert ndp.question(MAC, ME6.packed, VIP6.packed) == bytes(ether / packet)


def test_our_own_question_is_understood_by_our_own_parser() -> None:
    asked = ndp.parse_solicitation(ndp.question(MAC, ME6.packed, VIP6.packed), OTHER)
    assert (asked.hardware, asked.target) == (MAC, VIP6.packed)
    request = arp.parse_request(arp.question(MAC, ME4.packed, VIP4.packed), OTHER)
    assert (request.sender, request.target) == (ME4.packed, VIP4.packed)


def overheard(operation: int, sender: str, target: str) -> arp.Observation | None:
    ether = Ether(src=OTHER.hex(":"), dst="ff:ff:ff:ff:ff:ff")
    return arp.observe(bytes(ether / ARP(op=operation, hwsrc=OTHER.hex(":"), psrc=sender, pdst=target)))


@pytest.mark.parametrize(
    ("operation", "sender", "target", "asks", "claims"),
    [
        (1, "192.0.2.12", "192.0.2.200", True, False),
        (1, "192.0.2.200", "192.0.2.200", True, True),
        (2, "192.0.2.200", "192.0.2.11", False, False),
        (2, "192.0.2.200", "192.0.2.200", False, True),
    ],
)
def test_arp_is_overheard(operation: int, sender: str, target: str, asks: bool, claims: bool) -> None:
    seen = overheard(operation, sender, target)
    assert seen is not None
    assert (seen.hardware, seen.sender, seen.target) == (OTHER, ip_address(sender).packed, ip_address(target).packed)
    assert (seen.asks, seen.claims) == (asks, claims)


def test_what_is_no_sound_arp_is_not_heeded() -> None:
    assert overheard(3, "192.0.2.12", "192.0.2.200") is None
    frame = arp.question(MAC, ME4.packed, VIP4.packed)
    assert all(arp.observe(frame[:length]) is None for length in range(len(frame)))
    assert arp.observe(frame[:22] + b"\xff" * 6 + frame[28:]) is None


@pytest.mark.parametrize("solicited", [0, 1])
def test_an_advertisement_is_overheard(solicited: int) -> None:
    ether = Ether(src=OTHER.hex(":"), dst="33:33:00:00:00:01")
    packet = IPv6(src="fe80::12", dst="ff02::1", hlim=255) / ICMPv6ND_NA(S=solicited, O=1, tgt=str(VIP6))
    frame = bytes(ether / packet / ICMPv6NDOptDstLLAddr(lladdr=OTHER.hex(":")))
    assert ndp.observe(frame) == ndp.Observation(OTHER, VIP6.packed, bool(solicited))
    assert all(ndp.observe(frame[:length]) is None for length in range(len(frame)))
    assert ndp.observe(frame[:21] + b"\x40" + frame[22:]) is None, "it came through a router"
    assert ndp.observe(frame[:60] + b"\x01" + frame[61:]) is None, "its checksum is wrong"

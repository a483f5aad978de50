"""The Router Advertisement for unnumbered peers, against scapy's reading of it."""

from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptSrcLLAddr

from speaker.announcer.layer2.router import EVERY, FIRST, FIRST_EVERY, router_advertisement, wait_after


def test_it_names_the_sender_and_offers_nothing_to_hosts() -> None:
    found = ICMPv6ND_RA(router_advertisement(bytes.fromhex("020000000011")))
    assert (found.type, found.code, found.routerlifetime, found.M, found.O) == (134, 0, 0, 0, 0)
    assert found[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:00:11"
    assert len(found) == 24


def test_the_first_ones_follow_each_other_quickly() -> None:
    assert [wait_after(sent) for sent in range(1, FIRST + 2)] == [FIRST_EVERY, FIRST_EVERY, EVERY, EVERY]

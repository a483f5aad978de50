"""What is found about a node: each finding by its cause, and nothing about a node that is in order."""

import dataclasses

import pytest

from speaker.decide.preflight import Finding, Link, Needs, NodeFacts, findings

ALL = Needs(ipv4=True, ipv6=True, bgp=True)
GOOD = NodeFacts(
    proxy_mode="nftables",
    sysctls={
        "ipv4.ip_forward": 1,
        "ipv6.conf.all.forwarding": 1,
        "ipv4.conf.all.arp_ignore": 0,
        "ipv4.conf.all.arp_announce": 0,
        "ipv4.conf.all.rp_filter": 0,
        "ipv4.conf.eth0.rp_filter": 2,
    },
    links=(Link("eth0", 1500, link_local=True),),
    listening=frozenset({("tcp", 10250), ("tcp", 22)}),
)
TWO = (Link("eth0", 1500, link_local=True), Link("eth1", 9000, link_local=True))


def node(*, sysctls: dict[str, int] | None = None, **changes: object) -> NodeFacts:
    return dataclasses.replace(GOOD, sysctls={**GOOD.sysctls, **(sysctls or {})}, **changes)


@pytest.mark.parametrize(
    ("facts", "finding", "word"),
    [
        (node(proxy_mode="ipvs"), Finding.STRICT_ARP_MISSING, "strictARP"),
        (
            node(proxy_mode="ipvs", sysctls={"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 1}),
            Finding.STRICT_ARP_MISSING,
            "strictARP",
        ),
        (node(sysctls={"ipv4.ip_forward": 0}), Finding.FORWARDING_OFF, "net.ipv4.ip_forward"),
        (node(sysctls={"ipv6.conf.all.forwarding": 0}), Finding.FORWARDING_OFF, "net.ipv6.conf.all.forwarding"),
        (node(links=TWO, sysctls={"ipv4.conf.eth1.rp_filter": 1}), Finding.REVERSE_PATH_STRICT, "eth1"),
        (
            node(links=TWO, sysctls={"ipv4.conf.all.rp_filter": 1, "ipv4.conf.eth0.rp_filter": 0}),
            Finding.REVERSE_PATH_STRICT,
            "eth0",
        ),
        (node(links=(Link("eth0", 1500, link_local=False),)), Finding.NO_LINK_LOCAL, "eth0"),
        (node(links=(Link("eth0", 1279, link_local=False),)), Finding.MTU_TOO_SMALL, "eth0"),
        (node(links=()), Finding.NO_INTERFACE, "no Ethernet interface"),
        (node(own_addresses=("192.0.2.7",)), Finding.ADDRESS_ON_INTERFACE, "192.0.2.7"),
        (node(listening=frozenset({("tcp", 7946)})), Finding.MEMBERLIST_ON_NODE, "MetalLB"),
        (node(listening=frozenset({("tcp", 179)})), Finding.BGP_ON_NODE, "179"),
        (node(lag=1.5), Finding.SLOW_LOOP, "1.5 s"),
    ],
    ids=lambda value: value.value if isinstance(value, Finding) else "",
)
def test_a_cause_gives_its_finding_and_no_other(facts: NodeFacts, finding: Finding, word: str) -> None:
    found = findings(facts, ALL)
    assert set(found) == {finding}
    assert word in found[finding]


@pytest.mark.parametrize(
    ("facts", "needs"),
    [
        (GOOD, ALL),
        (NodeFacts(links=GOOD.links), ALL),
        (node(proxy_mode="ipvs", sysctls={"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2}), ALL),
        (node(proxy_mode="iptables", sysctls={"ipv4.conf.all.arp_ignore": 8}), ALL),
        (
            node(
                proxy_mode="ipvs",
                own_addresses=("192.0.2.7",),
                sysctls={"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2},
            ),
            ALL,
        ),
        (node(sysctls={"ipv4.conf.eth0.rp_filter": 1}), ALL),
        (node(links=TWO, sysctls={"ipv4.conf.all.rp_filter": 1, "ipv4.conf.eth1.rp_filter": 2}), ALL),
        (node(sysctls={"ipv6.conf.all.forwarding": 0}, links=(Link("e", 1000, link_local=False),)), Needs(ipv4=True)),
        (node(listening=frozenset({("tcp", 179)})), Needs(ipv4=True, ipv6=True)),
    ],
    ids=[
        "in order",
        "nothing could be read",
        "IPVS with strictARP",
        "arp_ignore without IPVS",
        "addresses on kube-ipvs0",
        "strict, but one interface",
        "loose wins over strict",
        "no IPv6 is asked for",
        "no BGP is asked for",
    ],
)
def test_what_does_no_harm_is_not_mentioned(facts: NodeFacts, needs: Needs) -> None:
    assert findings(facts, needs) == {}


def test_a_long_list_is_cut() -> None:
    found = findings(node(own_addresses=tuple(f"192.0.2.{n}" for n in range(10, 20))), ALL)
    assert "192.0.2.14 and 5 more" in found[Finding.ADDRESS_ON_INTERFACE]

"""What is allowed and still looks wrong."""

from ipaddress import ip_address, ip_network

import pytest

from lb_controller.model.address import parse_range
from lb_controller.model.cluster import Node
from lb_controller.model.config import BGPAdvertisement, BGPPeer, Config, L2Advertisement, Pool, PoolSelection
from lb_controller.model.parse.lint import Facts, lint
from lb_controller.model.parse.problems import Severity

NODES = (
    Node(
        name="n1",
        addresses=(ip_address("192.0.2.11"), ip_address("2001:db8::11")),
        pod_cidrs=(ip_network("10.1.0.0/24"),),
    ),
    Node(name="n2", addresses=(ip_address("192.0.2.12"),), pod_cidrs=(ip_network("10.1.1.0/24"),)),
)
FACTS = Facts(NODES, (ip_network("10.96.0.0/12"), ip_network("fd00:96::/112")))


def pool(*ranges: str, name: str = "p", buggy: bool = False) -> Pool:
    return Pool(name, tuple(map(parse_range, ranges)), avoid_buggy_ips=buggy)


def warnings(config: Config, facts: Facts = FACTS) -> list[str]:
    found = lint(config, facts)
    assert all(problem.severity is Severity.WARNING for problem in found)
    return [str(problem) for problem in found]


def of_pool(*ranges: str, buggy: bool = False) -> list[str]:
    return warnings(Config(pools=(pool(*ranges, buggy=buggy),)))


def test_a_pool_apart_from_everything_is_no_warning() -> None:
    assert of_pool("192.0.2.100-192.0.2.120", "198.51.100.0/24", "2001:db8::100/120") == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("192.0.2.10-192.0.2.11", "192.0.2.11 of Node n1"),
        ("192.0.2.8/29", "192.0.2.11 of Node n1 and 1 more"),
        ("2001:db8::/120", "2001:db8::11 of Node n1"),
        ("10.1.1.0/28", "10.1.1.0/24 of Node n2"),
        ("10.0.0.0/8", "10.1.0.0/24 of Node n1 and 1 more"),
        ("10.100.0.0/24", "10.96.0.0/12"),
        ("fd00:96::10-fd00:96::20", "fd00:96::/112"),
        ("192.0.2.0/29", "192.0.2.0, the network address of Node"),
        ("192.0.2.250-192.0.2.255", "192.0.2.255, the broadcast address of Node"),
        ("192.0.2.0/24", "192.0.2.0 and 192.0.2.255, the network and broadcast address"),
        ("192.0.2.0/24", "192.0.2.1 and 192.0.2.254, one of which is often the gateway"),
    ],
)
def test_a_pool_that_holds_what_the_cluster_uses_is_told(text: str, word: str) -> None:
    assert any(word in sentence for sentence in of_pool(text)), of_pool(text)


def test_addresses_that_the_pool_never_gives_are_not_told() -> None:
    assert any("broadcast" in text for text in of_pool("192.0.2.240/28"))
    assert of_pool("192.0.2.240/28", buggy=True) == []


def test_many_nodes_do_not_make_many_sentences() -> None:
    nodes = tuple(Node(name=f"n{number}", addresses=(ip_address(f"10.0.{number}.9"),)) for number in range(250))
    assert len(warnings(Config(pools=(pool("10.0.0.0/8"),)), Facts(nodes))) < 10


def test_a_pool_far_from_every_node_is_told_only_where_layer_2_announces_it() -> None:
    far = pool("203.0.113.0/28")
    every = L2Advertisement("every")
    other = L2Advertisement("other", PoolSelection(frozenset({"q"})))
    assert warnings(Config(pools=(far,))) == []
    assert not any("no node has an address" in text for text in warnings(Config((far,), (other,))))
    assert any("no node has an address" in text for text in warnings(Config((far,), (every,))))
    assert warnings(Config((far,), (every,)), Facts()) == []


def test_of_a_family_that_no_node_has_nothing_is_said() -> None:
    only_v4 = Facts((Node(name="n", addresses=(ip_address("192.0.2.11"),)),))
    assert warnings(Config((pool("2001:db8:f::/120"),), (L2Advertisement("every"),)), only_v4) == []


def test_names_that_lead_nowhere_are_told_one_by_one() -> None:
    config = Config(
        pools=(pool("198.51.100.0/24", name="here"),),
        l2_advertisements=(L2Advertisement("l2", PoolSelection(frozenset({"here", "gone"}))),),
        bgp_advertisements=(
            BGPAdvertisement("bgp", PoolSelection(frozenset({"away"})), peers=frozenset({"known", "unknown"})),
        ),
        bgp_peers=(BGPPeer(name="known", my_asn=1, peer_asn=2),),
    )
    assert warnings(config, Facts()) == [
        "L2Advertisement l2 spec.ipAddressPools: there is no valid IPAddressPool 'gone'",
        "BGPAdvertisement bgp spec.ipAddressPools: there is no valid IPAddressPool 'away'",
        "BGPAdvertisement bgp spec.peers: there is no valid BGPPeer 'unknown'",
    ]

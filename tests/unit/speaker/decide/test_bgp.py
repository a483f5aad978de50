"""Details of the BGP decision; its rules are the scenarios in tests/conformance/bgp."""

from dataclasses import replace

import pytest

from lb_controller.model.address import parse_address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import BGPAdvertisement, BGPPeer, Config
from lb_controller.model.reasons import OmissionReason
from speaker.decide.bgp import BgpDecision, desired_bgp
from speaker.decide.facts import Cluster
from speaker.decide.offers import prefix_of
from speaker.decide.peers import peers_of

NODE = Node(name="node1", addresses=(parse_address("fd00:77::11"), parse_address("192.168.77.11")))
PEER = BGPPeer(name="tor", my_asn=64512, peer_asn=64500, address=parse_address("192.168.77.1"))


def cluster(*names: str) -> Cluster:
    keys = [ServiceKey("default", name) for name in names]
    services = {
        key: Service(key=key, uid=key.name, ingress=(parse_address(f"192.168.200.{number}"),))
        for number, key in enumerate(keys, start=1)
    }
    return Cluster(services, {"node1": NODE}, {key: (Endpoint(node="node1"),) for key in keys})


def decide(facts: Cluster, *advertisements: BGPAdvertisement) -> BgpDecision:
    return desired_bgp(Config(bgp_peers=(PEER,), bgp_advertisements=advertisements), facts, "node1", {})


@pytest.mark.parametrize(
    ("address", "advertisement", "prefix"),
    [
        ("192.168.200.9", BGPAdvertisement("a"), "192.168.200.9/32"),
        ("192.168.200.9", BGPAdvertisement("a", aggregation_length=30), "192.168.200.8/30"),
        ("192.168.200.9", BGPAdvertisement("a", aggregation_length=1), "128.0.0.0/1"),
        ("fd00:200::9", BGPAdvertisement("a", aggregation_length=24), "fd00:200::9/128"),
        ("fd00:200::9", BGPAdvertisement("a", aggregation_length_v6=64), "fd00:200::/64"),
    ],
)
def test_an_address_is_rolled_up_to_the_length_of_its_family(
    address: str, advertisement: BGPAdvertisement, prefix: str
) -> None:
    assert prefix_of(parse_address(address), advertisement) == prefix


def test_the_decision_does_not_depend_on_the_order_of_the_facts() -> None:
    facts = cluster("a", "b", "c")
    turned = Cluster(dict(reversed(facts.services.items())), facts.nodes, facts.endpoints)
    first = BGPAdvertisement("x", communities=frozenset({"65000:1"}))
    second = BGPAdvertisement("y", communities=frozenset({"65000:2", "65000:3"}))
    assert decide(facts, first, second) == decide(turned, second, first)


def test_a_service_of_one_port_changes_one_route() -> None:
    before, after = decide(cluster("a", "b"), BGPAdvertisement("x")), decide(cluster("a"), BGPAdvertisement("x"))
    assert set(before.routes) - set(after.routes) == {before.routes[1]}


def test_a_conflict_names_the_advertisements_the_prefix_and_the_peer() -> None:
    decision = decide(cluster("a"), BGPAdvertisement("x", med=1), BGPAdvertisement("y", med=2))
    [omission] = decision.omissions.values()
    assert omission.message.startswith("BGPAdvertisements x, y give 192.168.200.1/32 to peer tor with different")


def test_the_peer_s_defaults_are_a_hold_time_of_90_seconds_and_port_179() -> None:
    [peer] = peers_of(Config(bgp_peers=(PEER,)), NODE, {}).peers
    assert (peer.hold_time, peer.port, peer.local_address, peer.router_id) == (90, 179, None, "192.168.77.11")


def test_times_that_were_given_are_handed_on() -> None:
    odd = BGPPeer(name="t", my_asn=1, peer_asn=2, address=PEER.address, hold_time=30, keepalive_time=3, connect_time=20)
    [peer] = peers_of(Config(bgp_peers=(odd,)), NODE, {}).peers
    assert (peer.hold_time, peer.keepalive_time, peer.connect_time) == (30, 3, 20)


def test_a_service_that_kube_proxy_here_does_not_serve_yet_is_not_announced_and_the_reason_names_the_port() -> None:
    facts = cluster("a")
    [key] = facts.services
    local = replace(facts.services[key], traffic_policy=TrafficPolicy.LOCAL, health_check_node_port=30999)
    waiting = Cluster({key: local}, facts.nodes, {key: (Endpoint("node1", programmed=False), Endpoint("node2"))})
    decision = decide(waiting, BGPAdvertisement("x"))
    assert not decision.routes
    [omission] = decision.omissions.values()
    assert omission.reason is OmissionReason.NODE_CANNOT_FORWARD
    assert "kube-proxy on node node1" in omission.message
    assert "30999" in omission.message
    assert decide(Cluster({key: local}, facts.nodes, {key: (Endpoint("node1"),)}), BGPAdvertisement("x")).routes

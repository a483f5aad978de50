"""The main job, step by step, on a real Kubernetes: address, ARP owner, answer; route, answer behind it; failover."""

import ipaddress
import json
import re
import signal
from pathlib import Path

import pytest

from tests.e2e.world import EXCLUDE, World
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_a_service_gets_an_address_and_answers_on_the_link(world: World) -> None:
    name = world.service("on-link", pool="link")
    [address] = world.addresses(name)
    assert address in ipaddress.ip_network("192.168.77.192/26")
    answer = world.answer("cli", address)
    assert re.match(r"web-\S+", answer), answer
    owner = world.arp_owner(address)
    assert owner in world.lab.node_names


def test_the_status_says_vip_and_the_condition_says_assigned(world: World) -> None:
    name = world.service("conditions", pool="link")
    world.addresses(name)
    status = world.lab.get("service", name, "default")["status"]
    assert [entry["ipMode"] for entry in status["loadBalancer"]["ingress"]] == ["VIP"]
    conditions = {entry["type"]: entry for entry in status["conditions"]}
    assert conditions["heraldlb.io/Assigned"]["status"] == "True"
    assert conditions["heraldlb.io/Assigned"]["reason"] == "Assigned"


def test_an_address_of_each_family_answers(world: World) -> None:
    name = world.service("dual", pool="link", dual=True)
    v4, v6 = world.addresses(name, count=2)
    assert (v4.version, v6.version) == (4, 6)
    assert world.answer("cli", v4).startswith("web-")
    assert world.answer("cli", v6).startswith("web-")


def test_the_router_learns_routes_of_both_families_and_a_host_behind_it_gets_answers(world: World) -> None:
    name = world.service("routed", pool="routed", dual=True)
    v4, v6 = world.addresses(name, count=2)
    eventually(lambda: len(world.next_hops(v4)) == 3, within=30, what=f"three next hops for {v4}")
    eventually(lambda: len(world.next_hops(v6)) == 3, within=30, what=f"three next hops for {v6}")
    assert world.answer("ext", v4).startswith("web-")
    assert world.answer("ext", v6).startswith("web-")


def test_a_deleted_service_is_withdrawn_everywhere_within_seconds(world: World) -> None:
    linked, routed = world.service("gone-linked", pool="link"), world.service("gone-routed", pool="routed")
    [on_link], [by_bgp] = world.addresses(linked), world.addresses(routed)
    world.answer("cli", on_link)
    eventually(lambda: len(world.next_hops(by_bgp)) == 3, within=30, what="the route")
    world.delete_service(linked)
    world.delete_service(routed)
    eventually(lambda: world.arp_answers(on_link) == set(), within=3, what=f"silence for {on_link}")
    eventually(lambda: world.next_hops(by_bgp) == [], within=3, what=f"no route to {by_bgp}")


def test_nothing_moves_while_pods_restart(world: World) -> None:
    name = world.service("steady", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    before = world.arp_owner(address)
    world.lab.kubectl("rollout", "restart", "deployment/web")
    world.lab.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    assert world.addresses(name) == [address]
    assert world.arp_owner(address) == before
    assert world.answer("cli", address).startswith("web-")


def test_traffic_policy_local_is_announced_only_from_nodes_with_endpoints(world: World) -> None:
    linked = world.service("local-link", pool="link", local=True, app="single")
    routed = world.service("local-routed", pool="routed", local=True, app="single")
    [on_link], [by_bgp] = world.addresses(linked), world.addresses(routed)
    node = world.node_of_pod("single")
    # A node that answered for this address a moment ago may still have kube-proxy's rules of another Service.
    eventually(lambda: world.answer("cli", on_link).startswith("single-"), within=20, what="an answer of the one pod")
    assert world.arp_owner(on_link) == node
    hop = world.lab.node_address(node)
    eventually(lambda: world.next_hops(by_bgp) == [hop], within=10, what=f"{hop} as the only next hop of {by_bgp}")
    assert "192.168.88.50" in world.answer("ext", by_bgp).split()[1], "the client's source address was lost"


def test_a_local_endpoint_is_announced_once_kube_proxy_carries_traffic_to_it(world: World) -> None:
    node = world.node_of_pod("single")
    assert world.lab.space.signal(node, "/kube-proxy", signal.SIGSTOP)
    try:
        name = world.service("local-late", pool="link", local=True, app="single")
        [address] = world.addresses(name)
        heard = [world.arp_answers(address) for _ in range(4)]  # half a second each
    finally:
        world.lab.space.signal(node, "/kube-proxy", signal.SIGCONT)
    assert heard == [set()] * 4
    assert world.answer("cli", address).startswith("single-")
    assert world.arp_owner(address) == node


def test_the_owner_s_link_is_cut_and_another_node_answers(world: World) -> None:
    name = world.service("failover", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    owner = world.arp_owner(address)
    world.lab.cut_link(owner)
    try:
        eventually(
            lambda: world.arp_answers(address) not in (set(), {owner}), within=40, what=f"{address} on another node"
        )
        assert world.answer("cli", address).startswith("web-")
    finally:
        world.lab.restore_link(owner)
        world.all_ready()
    assert world.addresses(name) == [address]
    eventually(lambda: len(world.arp_answers(address)) == 1, within=20, what=f"one owner of {address}")


def test_an_excluded_node_gives_its_addresses_to_another(world: World) -> None:
    name = world.service("excluded", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    owner = world.arp_owner(address)
    world.lab.kubectl("label", "node", owner, f"{EXCLUDE}=true")
    try:
        eventually(
            lambda: world.arp_answers(address) not in (set(), {owner}), within=10, what=f"{address} on another node"
        )
    finally:
        world.lab.kubectl("label", "node", owner, f"{EXCLUDE}-")


def test_two_services_share_an_address_and_one_goes(world: World) -> None:
    first = world.service("share-a", pool="link", annotations={"heraldlb.io/allow-shared-ip": "k"}, port=80)
    second = world.service("share-b", pool="link", annotations={"heraldlb.io/allow-shared-ip": "k"}, port=81)
    [address] = world.addresses(first)
    assert world.addresses(second) == [address]
    world.answer("cli", address)
    world.delete_service(first)
    assert world.answer("cli", address, port=81).startswith("web-")
    assert world.addresses(second) == [address]


def test_events_and_conditions_tell_why_a_service_has_no_address(world: World) -> None:
    name = world.service("nowhere", annotations={"heraldlb.io/loadBalancerIPs": "203.0.113.7"})

    def condition() -> dict[str, str]:
        status = world.lab.get("service", name, "default")["status"]
        entries = {entry["type"]: entry for entry in status.get("conditions", [])}
        return entries.get("heraldlb.io/Assigned", {})

    eventually(lambda: condition().get("status") == "False", within=10, what="the condition")
    assert condition()["reason"] == "AddressOutsidePools"
    assert "203.0.113.7" in condition()["message"]
    fields = f"involvedObject.name={name},source=heraldlb-controller"
    events = json.loads(world.lab.kubectl("get", "events", "-o", "json", f"--field-selector={fields}"))
    assert [event["reason"] for event in events["items"]] == ["AddressOutsidePools"]

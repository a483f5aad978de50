"""Processes killed, API server away, containers restarted: announcing goes on and no address changes."""

import pytest

from tests.e2e.world import World
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


def test_a_service_deleted_while_the_controller_is_down_is_no_longer_announced_and_its_address_is_free(
    world: World,
) -> None:
    name = world.service("orphan", annotations={"heraldlb.io/loadBalancerIPs": "192.168.77.231"})
    [address] = world.addresses(name)
    world.answer("cli", address)
    with world.controller_away():
        world.delete_service(name)
        eventually(lambda: world.arp_answers(address) == set(), within=5, what=f"silence for {address}")
    heir = world.service("heir", annotations={"heraldlb.io/loadBalancerIPs": "192.168.77.231"})
    assert world.addresses(heir) == [address]


def test_type_changed_to_cluster_ip_and_back(world: World) -> None:
    name = world.service("flip", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    world.lab.kubectl("patch", "service", name, "-p", '{"spec":{"type":"ClusterIP"}}')
    eventually(lambda: world.arp_answers(address) == set(), within=3, what=f"silence for {address}")
    status = world.lab.get("service", name, "default")["status"]
    assert not [c for c in status.get("conditions", []) if c["type"].startswith("heraldlb.io/")]
    world.lab.kubectl("patch", "service", name, "-p", '{"spec":{"type":"LoadBalancer"}}')
    [again] = world.addresses(name)
    assert world.answer("cli", again).startswith("web-")


@pytest.mark.parametrize("container", ["announcer", "speaker", "bgp"])
def test_a_killed_container_comes_back_and_nothing_changes(world: World, container: str) -> None:
    linked, routed = (
        world.service(f"kill-{container}", pool="link"),
        world.service(f"kill-r-{container}", pool="routed"),
    )
    [on_link], [by_bgp] = world.addresses(linked), world.addresses(routed)
    world.answer("cli", on_link)
    eventually(lambda: len(world.next_hops(by_bgp)) == 3, within=30, what="the route")
    owner = world.arp_owner(on_link)
    world.kill_container(owner, container)
    world.speakers_ready()
    if container == "announcer":  # dead for longer than its peers wait, it finds its address taken, and takes none back
        eventually(lambda: len(world.arp_answers(on_link)) == 1, within=30, what=f"one owner of {on_link}")
    else:
        eventually(lambda: world.arp_answers(on_link) == {owner}, within=30, what=f"{owner} answering for {on_link}")
    eventually(lambda: len(world.next_hops(by_bgp)) == 3, within=30, what="three next hops again")
    assert world.addresses(linked) == [on_link]
    assert world.answer("cli", on_link).startswith("web-")


def test_the_controller_killed_keeps_every_address(world: World) -> None:
    names = [world.service(f"kept-{number}", pool="link") for number in range(5)]
    before = {name: world.addresses(name) for name in names}
    world.kill_controller()
    late = world.service("late", pool="link")
    world.addresses(late)
    assert {name: world.addresses(name) for name in names} == before


def test_announcing_goes_on_while_the_api_server_is_away(world: World) -> None:
    linked, routed = world.service("away", pool="link"), world.service("away-routed", pool="routed")
    [on_link], [by_bgp] = world.addresses(linked), world.addresses(routed)
    world.answer("cli", on_link)
    eventually(lambda: len(world.next_hops(by_bgp)) == 3, within=30, what="the route")
    owner = world.arp_owner(on_link)
    with world.api_server_away(seconds=30):
        assert world.arp_answers(on_link) == {owner}
        assert len(world.next_hops(by_bgp)) == 3
    world.all_ready()
    late = world.service("after", pool="link")
    [address] = world.addresses(late, within=60)
    # kube-proxy, too, waits up to half a minute before it asks the API server again.
    assert world.answer("cli", address, within=90).startswith("web-")
    assert world.addresses(linked) == [on_link]
    eventually(lambda: len(world.arp_answers(on_link)) == 1, within=30, what=f"one owner of {on_link}")

"""Traffic of a host behind the router to pods: spread over the nodes, from a drain to a rollout to a node that dies.

The router's kernel table is watched line by line; what it sends to which node is counted on the switch.
"""

import collections
import contextlib
import itertools
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.patient import assert_only_what_was_under_way_was_cut, reached
from tests.e2e.train import Changes, train
from tests.e2e.world import EXCLUDE, Address, World
from tests.lab.namespaces import NETNS
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
CONNECTIONS = 300
FAIR = range(60, 142)  # of 300 over three nodes: 20 to 47 %
OUTSIDE = ("192.168.88.50", "fd00:88::50")  # the host behind the router
PEER: dict[str, Any] = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1", "dualStackAddressFamily": True}


def routed(world: World, address: Address, nodes: int = 3, within: float = 30) -> None:
    eventually(lambda: len(world.next_hops(address)) == nodes, within=within, what=f"{nodes} next hops of {address}")


def ask(world: World, address: Address, count: int) -> list[list[str]]:
    """New connections from outside, one after the other: [pod, source address] as the pods say."""
    host = f"[{address}]" if address.version == 6 else f"{address}"
    url = f"http://{host}/cgi-bin/who?[1-{count}]"  # curl counts; the server ends each connection
    output = world.lab.run("ext", "curl", "-sS", "-m", "60", "--noproxy", "*", url)
    return [line.split() for line in output.splitlines() if line.strip()]


@contextlib.contextmanager
def counted(world: World, address: Address) -> Iterator[dict[str, int]]:
    """Node -> connections that the router sent there for the address, once the block has ended."""
    found: dict[str, int] = {}
    family = "ip6" if address.version == 6 else "ip"
    space, table = world.lab.space, "spread"
    space.run(
        "sw", "nft", f"add table bridge {table}; add chain bridge {table} c {{ type filter hook forward priority 0; }}"
    )
    try:
        for node in world.lab.node_names:
            rule = f"iifname rtr oifname {world.lab.port(node)} {family} daddr {address} tcp flags == syn counter"
            space.run("sw", "nft", f"add rule bridge {table} c {rule}")
        yield found
        listing = space.run("sw", "nft", "list", "table", "bridge", table)
        for node in world.lab.node_names:
            rule = re.search(rf'oifname "{world.lab.port(node)}" .* packets (\d+)', listing)
            assert rule is not None, listing
            found[node] = int(rule[1])
    finally:
        space.run("sw", "nft", "delete", "table", "bridge", table)


@contextlib.contextmanager
def peered(world: World, **changes: Any) -> Iterator[None]:
    """The BGPPeer anew with these fields for the length of the block, then as it was."""
    before = world.lab.get("bgppeers.heraldlb.io", "router")["spec"]
    try:
        replace_peer(world, {**PEER, "holdTime": "9s", **changes})
        yield
    finally:
        replace_peer(world, before)


def replace_peer(world: World, spec: dict[str, Any]) -> None:
    metadata = {"name": "router"}
    peer = {"apiVersion": "heraldlb.io/v1beta1", "kind": "BGPPeer", "metadata": metadata, "spec": spec}
    world.lab.kubectl("delete", "bgppeers.heraldlb.io", "router")
    world.lab.kubectl("apply", "-f", "-", input=json.dumps(peer))


def table(world: World) -> Changes:
    """What changes in the router's kernel table from now on."""
    return Changes(NETNS / world.lab.space.name("rtr"), "ip", "monitor", "route")


def assert_never_fewer(changes: Changes, address: Address, hops: int) -> None:
    """The route was not deleted, nor replaced by one with fewer next hops (the router may write the same one anew)."""
    lines = changes.lines
    for number, line in enumerate(lines):
        if f"{address}" in line.split():
            following = itertools.takewhile(lambda other: other.split()[:1] == ["nexthop"], lines[number + 1 :])
            assert not line.startswith("Deleted"), lines
            assert len(list(following)) >= hops, lines


def test_connections_are_spread_over_the_nodes_and_every_pod_answers(world: World) -> None:
    addresses = world.addresses(world.service("spread", pool="routed", dual=True), count=2)
    for address in addresses:
        routed(world, address)
        world.answer("ext", address)
        with counted(world, address) as shares:
            answers = ask(world, address, CONNECTIONS)
        print(f"{address}: {shares}")
        assert len(answers) == CONNECTIONS
        assert len({pod for pod, _ in answers}) == 3
        assert sum(shares.values()) == CONNECTIONS, "a connection was tried twice"
        assert all(share in FAIR for share in shares.values()), shares


def test_with_policy_local_the_nodes_send_to_their_own_pods_which_see_the_client(world: World) -> None:
    addresses = world.addresses(world.service("spread-local", pool="routed", dual=True, local=True), count=2)
    for address in addresses:
        routed(world, address)
        world.answer("ext", address)
        with counted(world, address) as shares:
            answers = ask(world, address, CONNECTIONS)
        by_pod = collections.Counter(pod for pod, _ in answers)
        print(f"{address}: {shares} {by_pod}")
        assert sorted(by_pod.values()) == sorted(shares.values()), "a node passed a connection on"
        assert all(share in FAIR for share in shares.values()), shares
        assert {source.removeprefix("[").removesuffix("]").removeprefix("::ffff:") for _, source in answers} <= set(
            OUTSIDE
        )


def test_no_new_connection_fails_while_a_node_is_drained(world: World, patient: str) -> None:
    [address] = world.addresses(world.service("drained", pool="routed", app=patient))
    routed(world, address)
    reached(world, "ext", address)
    node = world.lab.node_names[0]
    with table(world) as changes, train(NETNS / world.lab.space.name("ext"), address) as met:
        world.lab.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        world.lab.kubectl("label", "node", node, f"{EXCLUDE}=")
        routed(world, address, 2)
        assert world.lab.node_address(node) not in world.next_hops(address)
        world.lab.kubectl("label", "node", node, f"{EXCLUDE}-")
        world.lab.kubectl("uncordon", node)
        routed(world, address)
    assert_only_what_was_under_way_was_cut(met, changes)


@pytest.mark.parametrize(("bfd", "goal"), [(True, 0.9), (False, 10.0)], ids=["bfd", "hold-time"])
def test_a_node_that_is_cut_off_is_no_next_hop_soon(world: World, bfd: bool, goal: float) -> None:
    [address] = world.addresses(world.service("cut-off", pool="routed"))
    node = world.lab.node_names[1]
    with contextlib.ExitStack() as stack:
        if bfd:
            stack.enter_context(with_bfd(world))
        routed(world, address)
        hop = world.lab.node_address(node)
        world.lab.cut_link(node)
        begin = time.monotonic()
        try:
            eventually(
                lambda: hop not in world.next_hops(address), within=goal + 2, what="the end of the next hop", every=0.01
            )
            took = time.monotonic() - begin
        finally:
            world.lab.restore_link(node)
            world.all_ready()
        print(f"the next hop was gone after {took:.2f} s")
        assert took <= goal
        routed(world, address)


@contextlib.contextmanager
def with_bfd(world: World) -> Iterator[None]:
    """BFD of 200 ms x 3 on every session."""
    profile = {"receiveInterval": 200, "transmitInterval": 200, "detectMultiplier": 3}
    fast = {"apiVersion": "heraldlb.io/v1beta1", "kind": "BFDProfile", "metadata": {"name": "fast"}, "spec": profile}
    world.lab.kubectl("apply", "-f", "-", input=json.dumps(fast))
    of_router = ("configure terminal", "router bgp 64500")
    world.lab.vtysh(*of_router, "neighbor NODES bfd 3 200 200")
    try:
        with peered(world, bfdProfile="fast"):
            eventually(lambda: bfd_sessions(world) == 3, within=40, what="three BFD sessions up")
            yield
    finally:
        world.lab.vtysh(*of_router, "no neighbor NODES bfd")
        world.lab.kubectl("delete", "bfdprofiles.heraldlb.io", "fast")


def bfd_sessions(world: World) -> int:
    return sum(peer["status"] == "up" for peer in json.loads(world.lab.vtysh("show bfd peers json")))


def test_the_speaker_s_restart_changes_no_route(world: World) -> None:
    [address] = world.addresses(world.service("restarted", pool="routed"))
    routed(world, address)
    with table(world) as changes:
        for node in world.lab.node_names:
            world.kill_container(node, "speaker")
        world.speakers_ready()
    assert_never_fewer(changes, address, 3)
    routed(world, address)


def test_a_rollout_with_graceful_restart_withdraws_nothing(world: World) -> None:
    [address] = world.addresses(world.service("rolled", pool="routed"))
    of_router = ("configure terminal", "router bgp 64500")
    world.lab.vtysh(*of_router, "bgp graceful-restart")
    try:
        with peered(world, enableGracefulRestart=True):
            routed(world, address)
            eventually(lambda: graceful(world) == 3, within=30, what="three sessions with graceful restart")
            with table(world) as changes:
                world.roll_speakers()
                eventually(lambda: graceful(world) == 3, within=30, what="three sessions afterwards")
            assert_never_fewer(changes, address, 3)
            assert len(world.next_hops(address)) == 3
    finally:
        world.lab.vtysh(*of_router, "no bgp graceful-restart")


def graceful(world: World) -> int:
    """Sessions that are up and agreed on graceful restart."""
    peers = json.loads(world.lab.vtysh("show bgp neighbors json"))
    states = [peer for peer in peers.values() if isinstance(peer, dict) and peer.get("bgpState") == "Established"]
    return sum("advertisedAndReceived" in str(peer["neighborCapabilities"].get("gracefulRestart")) for peer in states)

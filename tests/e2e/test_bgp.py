"""The BGP container against a real FRR: what the router has in its table, after everything that can go wrong."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speaker.ipc.messages import BfdParameters, Parting, Peer, Route
from tests.e2e.bgp_routers import documented
from tests.e2e.bgp_world import (
    CONFIGURATION,
    NODE4,
    NODE6,
    NODE_ASN,
    ROUTER4,
    ROUTER6,
    ROUTER_ASN,
    BgpWorld,
    SpeakerEnd,
    peer,
    route,
    route6,
)
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BgpWorld]:
    world = BgpWorld(tmp_path)
    try:
        world.up()
        yield world
    finally:
        world.down()


@pytest.fixture
def speaker(world: BgpWorld) -> SpeakerEnd:
    world.start_supervisor()
    return world.connect()


def routes(number: int, first: int = 1) -> list[Route]:
    return [route(index) for index in range(first, first + number)]


def announced(world: BgpWorld, number: int, neighbor: str = NODE4, family: str = "ipv4", within: float = 20) -> float:
    return eventually(
        lambda: world.router.count(neighbor, family) == number,
        within=within,
        what=f"{number} {family} routes from {neighbor}",
        every=0.05,
    )


def flap(world: BgpWorld) -> None:
    """The router resets the session; returns when there is another one."""
    before = world.router.sessions_made()
    world.router.vtysh(f"clear bgp ipv4 unicast {NODE4}")
    eventually(lambda: world.router.sessions_made() > before, within=20, what="a new session", every=0.02)


def test_routes_reach_the_router_and_leave_it(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(3))
    announced(world, 3)
    path = world.router.path("203.0.0.1/32")
    assert path["aspath"]["string"] == str(NODE_ASN)
    assert path["nexthops"][0]["ip"] == NODE4
    assert path["origin"] == "IGP"
    eventually(lambda: speaker.session("router").up, within=5, what="the report that the session is up")
    assert speaker.session("router").routes == 3
    assert speaker.session("router").last_error == ""
    speaker.send([peer()], routes(1))
    announced(world, 1, within=3)
    speaker.send([], [])
    eventually(lambda: world.router.count() == -1, within=5, what="the end of the session")
    eventually(lambda: speaker.state.sessions == (), within=5, what="the report that there is no session")


def test_ipv6_routes_go_over_an_ipv6_session_and_over_an_ipv4_session(world: BgpWorld, speaker: SpeakerEnd) -> None:
    peers = [
        peer("six", ROUTER6),
        peer("four", ROUTER4, families=("ipv4", "ipv6"), next_hop_v6=NODE6),
    ]
    speaker.send(peers, [route6(1, "six", "four"), route(1, "six", "four")])
    announced(world, 1, NODE6, "ipv6")
    announced(world, 1, NODE4, "ipv6")
    announced(world, 1, NODE4, "ipv4")
    paths = world.router.routes("ipv6")["fd00:200::1/128"]
    assert {hop["ip"] for path in paths for hop in path["nexthops"] if hop["scope"] == "global"} == {NODE6}
    assert world.router.count(NODE6, "ipv4") != 1, "an IPv6-only session carried an IPv4 route"


def test_ipv4_routes_have_the_explicit_next_hop_on_an_ipv6_session(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer("six", ROUTER6, families=("ipv4", "ipv6"), next_hop_v4=NODE4)], [route(1, "six")])
    announced(world, 1, NODE6, "ipv4")
    assert world.router.path("203.0.0.1/32")["nexthops"][0]["ip"] == NODE4


def test_ipv4_routes_may_have_an_ipv6_next_hop(world: BgpWorld, speaker: SpeakerEnd) -> None:
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE6} capability extended-nexthop")
    speaker.send([peer("six", ROUTER6, families=("ipv4", "ipv6"))], [route(1, "six")])
    announced(world, 1, NODE6, "ipv4")
    hops = {hop["ip"] for hop in world.router.path("203.0.0.1/32")["nexthops"]}
    assert NODE6 in hops


def test_attributes_arrive_as_they_were_given(world: BgpWorld, speaker: SpeakerEnd) -> None:
    given = [
        route(1, communities=("65000:1", "65000:2", "large:65000:7:8")),
        route(2, med=70, prepend=2),
        route(3, local_pref=300),
        route(4, extended=("target:65000:1", "origin:4200000000:7", "bandwidth:200")),
    ]
    speaker.send([peer()], given)
    announced(world, 4)
    extended = world.router.path("203.0.0.4/32")["extendedCommunity"]["string"]
    assert {"RT:65000:1", "SoO:4200000000:7"} <= set(extended.split()), extended
    assert f"LB:{NODE_ASN}:25000000 (200.000 Mbps)" in extended
    first, second, third = (world.router.path(f"203.0.0.{number}/32") for number in (1, 2, 3))
    assert first["community"]["string"] == "65000:1 65000:2"
    assert first["largeCommunity"]["string"] == "65000:7:8"
    assert second["metric"] == 70
    assert second["aspath"]["string"] == f"{NODE_ASN} {NODE_ASN} {NODE_ASN}"
    assert "locPrf" not in third, "local preference was sent to an eBGP peer"


def test_an_internal_peer_gets_the_local_preference(world: BgpWorld, speaker: SpeakerEnd) -> None:
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE4} remote-as {ROUTER_ASN}")
    speaker.send([peer(local_asn=ROUTER_ASN)], [route(1, local_pref=300, prepend=3), route(2)])
    announced(world, 2)
    path = world.router.path("203.0.0.1/32")
    assert path["locPrf"] == 300
    assert path["aspath"]["string"] == "Local"
    assert world.router.path("203.0.0.2/32")["locPrf"] == 100


def test_a_session_with_a_password_comes_up_and_one_with_a_wrong_password_says_why(
    world: BgpWorld, speaker: SpeakerEnd
) -> None:
    secret = "p\"a's s;{w}#\\o[r]d, é"
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE6} password other-password")
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE4} password plain-password")
    speaker.send([peer(password="plain-password"), peer("six", ROUTER6, password=secret)], routes(2))
    announced(world, 2)
    eventually(
        lambda: "no answer" in speaker.session("six").last_error, within=25, what="the reason why the session is down"
    )
    assert "password" in speaker.session("six").last_error
    assert speaker.session("router").up
    files = [entry for entry in (world.sockets / "exabgp").iterdir()]
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in files} == {0o600}
    assert stat.S_IMODE((world.sockets / "exabgp").stat().st_mode) == 0o700
    shown = world.log() + "".join(world.space.processes("node").values()) + repr(speaker.state)
    assert "plain-password" not in shown
    assert secret not in shown


def test_a_changed_password_is_followed(world: BgpWorld, speaker: SpeakerEnd) -> None:
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE4} password new-password")
    speaker.send([peer(password="old-password")], routes(2))
    eventually(lambda: bool(world.daemon_pids()), within=10, what="the daemon")
    speaker.send([peer(password="new-password")], routes(2))
    announced(world, 2, within=30)


def test_a_thousand_routes_arrive_change_and_go(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(1000))
    announced(world, 1000)
    speaker.send([peer()], [route(index, communities=("65000:9",)) for index in range(1, 1001)])
    eventually(
        lambda: world.router.path("203.0.3.232/32").get("community", {}).get("string") == "65000:9",
        within=10,
        what="the community on the last route",
    )
    assert world.router.count() == 1000
    speaker.send([peer()], routes(500, first=501))
    announced(world, 500)
    wanted = {entry.prefix for entry in routes(500, first=501)}
    # FRR counts a withdrawal before it takes the route out of its table.
    eventually(lambda: set(world.router.routes()) == wanted, within=10, what="the 500 that are left, and no other")


def test_after_a_flap_the_router_has_every_route_again(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(1000))
    announced(world, 1000)
    for _ in range(3):
        flap(world)
        announced(world, 1000)


def test_changes_while_the_session_is_down_are_all_there_when_it_returns(world: BgpWorld, speaker: SpeakerEnd) -> None:
    """ExaBGP alone would announce the last but one attributes: they changed to and fro while nothing could be sent."""
    router = f"router bgp {ROUTER_ASN}"
    speaker.send([peer()], [route(1, med=1), route(2, med=1), route(3, med=1)])
    announced(world, 3)
    world.router.configure(router, f"neighbor {NODE4} shutdown")
    eventually(
        lambda: "Administrative Shutdown" in speaker.session("router").last_error,
        within=10,
        what="the reason of the end",
    )
    for number, med in enumerate((2, 3, 2), start=4):
        extra = [route(index) for index in range(4, number + 1)]
        speaker.send([peer()], [route(1, med=med), route(2, med=1), *extra])
        eventually(lambda: speaker.session("router").routes == number - 1, within=5, what="the change at the daemon")  # noqa: B023
    wanted = {"203.0.0.1/32": 2, "203.0.0.2/32": 1, **{f"203.0.0.{number}/32": None for number in (4, 5, 6)}}
    world.router.configure(router, f"no neighbor {NODE4} shutdown")
    announced(world, 5, within=30)
    assert {prefix: paths[0].get("metric") for prefix, paths in world.router.routes().items()} == wanted


def test_a_killed_daemon_comes_back_with_every_route(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer(), peer("six", ROUTER6)], [*routes(1000), route6(1, "six")])
    announced(world, 1000)
    [pid] = world.daemon_pids()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: world.router.count() != 1000, within=5, what="the loss of the session", every=0.01)
    announced(world, 1000)
    announced(world, 1, NODE6, "ipv6")
    assert world.daemon_pids() != [pid]
    eventually(lambda: speaker.session("router").up, within=5, what="the report that the session is up")


def test_a_killed_bridge_takes_the_daemon_along_and_both_come_back(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(10))
    announced(world, 10)
    daemons = world.daemon_pids()
    for pid in world.bridge_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: world.daemon_pids() not in (daemons, []), within=20, what="another daemon")
    announced(world, 10)


def test_a_hanging_daemon_is_replaced(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(10))
    announced(world, 10)
    [pid] = world.daemon_pids()
    os.kill(pid, signal.SIGSTOP)
    speaker.send([peer()], routes(20))
    announced(world, 20, within=60)
    assert world.daemon_pids() != [pid]


def test_a_killed_supervisor_leaves_no_daemon_that_announces(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(10))
    announced(world, 10)
    world.stop_supervisor(signal.SIGKILL)
    eventually(lambda: world.daemon_pids() == [], within=5, what="the end of the daemon", every=0.01)
    eventually(lambda: world.router.count() == -1, within=5, what="the end of the session")
    world.start_supervisor()
    world.connect().send([peer()], routes(12))
    announced(world, 12)


def test_while_the_speaker_is_away_the_routes_stay(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(10))
    announced(world, 10)
    updates = world.router.updates_received()
    speaker.close()
    os.kill(world.daemon_pids()[0], signal.SIGKILL)
    eventually(lambda: world.router.count() != 10, within=5, what="the loss of the session", every=0.01)
    announced(world, 10)
    again = world.connect()
    eventually(lambda: again.session("router").up, within=5, what="the state, to the new speaker")
    assert world.router.count() == 10
    updates = world.router.updates_received()
    again.send([peer()], routes(11))
    announced(world, 11)
    assert world.router.updates_received() == updates + 1, "routes that did not change were sent again"


def test_a_peer_that_cannot_be_configured_disturbs_no_other(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(5))
    announced(world, 5)
    since = world.router.updates_received()
    bad = [
        peer("asn", "192.168.77.31", peer_asn=2**32),
        peer("away", "10.77.0.1"),
        peer("double", ROUTER4),
        peer("family", "192.168.77.32", local_address="fd00:77::11"),
        peer("long", "192.168.77.33", password="x" * 81),
    ]
    speaker.send([peer("a-router"), *bad, peer("six", ROUTER6)], [route(1, "a-router"), route6(1, "six")])
    announced(world, 1, NODE6, "ipv6")
    announced(world, 1)
    errors = {name: speaker.session(name).last_error for name in ("asn", "away", "double", "family", "long")}
    assert "4294967296" in errors["asn"]
    assert "no way to 10.77.0.1" in errors["away"]
    assert "a-router" in errors["double"]
    assert "different families" in errors["family"]
    assert "81 octets" in errors["long"]
    assert speaker.session("a-router").up
    assert world.router.updates_received() > since, "the session was reset"


def test_a_peer_that_only_exabgp_refuses_disturbs_no_other(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer()], routes(5))
    announced(world, 5)
    # Port 0 of a route to nowhere is refused by us; an interface name of 15 characters that does not exist is not.
    odd = peer("odd", "192.168.77.44", router_id="255.255.255.255", local_asn=23456, interface="nosuchinterface")
    speaker.send([peer(), odd, peer("six", ROUTER6)], [*routes(6), route6(1, "six")])
    announced(world, 1, NODE6, "ipv6")
    announced(world, 6)
    eventually(lambda: speaker.session("odd").last_error != "", within=15, what="a reason for the odd peer")


def test_a_reload_is_not_lost_while_another_router_is_away(world: BgpWorld, speaker: SpeakerEnd) -> None:
    """ExaBGP alone forgets a reload as long as any peer has unsent routes."""
    away = peer("away", "192.168.77.99")
    speaker.send([away], [route(1, "away")])
    eventually(lambda: bool(world.daemon_pids()), within=10, what="the daemon")
    eventually(lambda: speaker.session("away").routes == 1, within=10, what="the route for the router that is away")
    speaker.send([away, peer()], [route(1, "away", "router")])
    announced(world, 1)
    eventually(lambda: "TCP" in speaker.session("away").last_error, within=25, what="why the session is down")


def test_refused_connections_and_wrong_asns_are_reported_with_their_reason(
    world: BgpWorld, speaker: SpeakerEnd
) -> None:
    peers = [peer("port", port=1790), peer("asn", ROUTER6, peer_asn=65010)]
    speaker.send(peers, [])
    eventually(lambda: "refused" in speaker.session("port").last_error, within=10, what="connection refused")
    eventually(lambda: "bad peer AS" in speaker.session("asn").last_error, within=10, what="bad peer AS")
    assert "64500" in speaker.session("asn").last_error
    assert "65010" in speaker.session("asn").last_error


def test_a_changed_peer_is_reset_and_gets_its_routes_while_the_other_stays_up(
    world: BgpWorld, speaker: SpeakerEnd
) -> None:
    speaker.send([peer(), peer("six", ROUTER6)], [*routes(5), route6(1, "six")])
    announced(world, 5)
    announced(world, 1, NODE6, "ipv6")
    updates = world.router.updates_received(NODE6)
    speaker.send([peer(hold_time=30, router_id="10.0.0.7"), peer("six", ROUTER6)], [*routes(6), route6(1, "six")])
    announced(world, 6)
    assert world.router.updates_received(NODE6) == updates
    assert world.router.count(NODE6, "ipv6") == 1


def test_the_asn_of_the_peer_may_be_learnt(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer(peer_asn=0)], routes(2))
    announced(world, 2)
    eventually(lambda: speaker.session("router").up, within=5, what="the report that the session is up")


def communities(world: BgpWorld, prefix: str) -> str:
    return str(world.router.path(prefix).get("community", {}).get("string", ""))


def test_sigterm_demotes_withdraws_and_says_goodbye(world: BgpWorld) -> None:
    world.start_supervisor(drain_seconds=1.5)
    world.connect().send([peer()], routes(1000))
    announced(world, 1000)
    assert world.supervisor is not None
    began = time.monotonic()
    world.supervisor.send_signal(signal.SIGTERM)
    eventually(lambda: "graceful-shutdown" in communities(world, "203.0.3.232/32"), within=2, what="the demotion")
    assert world.router.count() == 1000, "routes were withdrawn before the routers could turn to others"
    eventually(lambda: world.router.count() == -1, within=10, what="the end of the session", every=0.02)
    assert time.monotonic() - began > 1.5
    assert world.supervisor.wait(timeout=10) == 0
    assert world.router.routes() == {}
    assert world.daemon_pids() == []
    neighbor = world.router.neighbor()
    assert neighbor["lastNotificationReason"] == "Cease/Administrative Shutdown"
    assert "HeraldLB stops on this node" in neighbor["lastShutdownDescription"]


def test_a_route_that_leaves_is_demoted_then_withdrawn_and_may_come_back(world: BgpWorld) -> None:
    world.start_supervisor(drain_seconds=1.5)
    speaker = world.connect()
    speaker.send([peer()], routes(2))
    announced(world, 2)
    leaving = route(1, parting=Parting.LEAVES, communities=("65000:1",))
    speaker.send([peer()], [leaving, route(2), route(3, parting=Parting.LEAVES), route(4, parting=Parting.DEMOTED)])
    eventually(lambda: "graceful-shutdown" in communities(world, "203.0.0.1/32"), within=1, what="the demotion")
    assert "65000:1" in communities(world, "203.0.0.1/32")
    eventually(lambda: "203.0.0.1/32" not in world.router.routes(), within=4, what="the withdrawal")
    assert set(world.router.routes()) == {"203.0.0.2/32", "203.0.0.4/32"}
    speaker.send([peer()], routes(4))
    announced(world, 4)
    assert communities(world, "203.0.0.1/32") == communities(world, "203.0.0.4/32") == ""


GRACEFUL = CONFIGURATION.replace(f" bgp router-id {ROUTER4}\n", f" bgp router-id {ROUTER4}\n bgp graceful-restart\n")


def test_with_graceful_restart_the_routes_survive_a_restart_of_the_container(tmp_path: Path) -> None:
    world = BgpWorld(tmp_path)
    try:
        world.up(GRACEFUL)
        world.start_supervisor()
        graceful: Peer = peer(graceful_restart=True)
        world.connect().send([graceful], routes(100))
        announced(world, 100)
        world.stop_supervisor()
        eventually(lambda: world.router.count() == -1, within=5, what="the end of the session")
        assert len(world.router.routes()) == 100, "the router did not keep the routes"
        world.start_supervisor()
        world.connect().send([graceful], routes(90))
        low = 100

        def refreshed() -> bool:
            nonlocal low
            low = min(low, len(world.router.routes()))
            return world.router.count() == 90 and len(world.router.routes()) == 90

        eventually(refreshed, within=20, what="the 90 routes that are wanted now", every=0.02)
        assert low >= 90, f"the router dropped to {low} routes in between"
    finally:
        world.down()


def test_on_a_drained_node_even_peers_with_graceful_restart_lose_the_routes_at_once(tmp_path: Path) -> None:
    """Else they would send traffic to the node until the restart time is over, while it reboots."""
    world = BgpWorld(tmp_path)
    try:
        world.up(GRACEFUL)
        world.start_supervisor(drain_seconds=0.5)
        world.connect().send([peer(graceful_restart=True)], routes(10), for_good=True)
        announced(world, 10)
        world.stop_supervisor()
        eventually(lambda: world.router.count() == -1, within=5, what="the end of the session")
        assert world.router.routes() == {}
        assert world.router.neighbor()["lastNotificationReason"] == "Cease/Administrative Shutdown"
    finally:
        world.down()


def test_an_unnumbered_peer_is_found_by_its_advertisement_and_gets_both_families(tmp_path: Path) -> None:
    world = BgpWorld(tmp_path)
    try:
        world.up(documented("frr", "frr", 1))
        world.start_announcer()
        world.start_supervisor()
        speaker = world.connect()
        link = peer(address="", interface="eth0", families=("ipv4", "ipv6"))
        speaker.send([link], [route(1), route(2), route6(1)])
        announced(world, 2, "eth0", within=30)
        announced(world, 1, "eth0", "ipv6")
        hops = world.router.path("203.0.0.1/32")["nexthops"]
        assert all(hop["ip"].startswith("fe80::") for hop in hops)
        eventually(lambda: speaker.session("router").up, within=5, what="the report")
        assert speaker.session("router").address.startswith("fe80::")
    finally:
        world.down()


def test_ttl_security_lets_the_session_come_up_where_both_sides_use_it(world: BgpWorld, speaker: SpeakerEnd) -> None:
    world.router.configure(f"router bgp {ROUTER_ASN}", f"neighbor {NODE4} ttl-security hops 1")
    speaker.send([peer(gtsm=True), peer("six", ROUTER6, gtsm=True)], routes(2))
    announced(world, 2)
    assert world.router.count(NODE6, "ipv6") == -1, "a peer without TTL security got through"


def test_a_given_keepalive_time_is_kept(world: BgpWorld, speaker: SpeakerEnd) -> None:
    speaker.send([peer(hold_time=90, keepalive_time=1)], routes(1))
    announced(world, 1)
    before = int(world.router.neighbor()["messageStats"]["keepalivesRecv"])
    eventually(
        lambda: int(world.router.neighbor()["messageStats"]["keepalivesRecv"]) >= before + 3,
        within=6,
        what="a keepalive each second",
    )

    def counted(name: str) -> float:
        return speaker.counters.values.get(f"heraldlb_bgp_{name}_total", {}).get("router", 0.0)

    eventually(lambda: counted("keepalives_sent") >= 4, within=15, what="the count of keepalives")
    assert counted("opens_sent") >= 1 <= counted("opens_received")
    assert counted("updates_sent") >= 1


WATCHED = CONFIGURATION.replace(
    f" neighbor {NODE4} timers connect 1\n", f" neighbor {NODE4} timers connect 1\n neighbor {NODE4} bfd 3 200 200\n"
)


def test_bfd_ends_the_session_within_a_second_on_both_sides_and_the_announcer_s_death_does_not(tmp_path: Path) -> None:
    world = BgpWorld(tmp_path)
    try:
        world.up(WATCHED, ("zebra", "bfdd", "bgpd"))
        world.start_announcer()
        world.start_supervisor()
        speaker = world.connect()
        bfd = BfdParameters(transmit_interval=200, receive_interval=200)
        speaker.send([peer(hold_time=90, bfd=bfd)], routes(3))
        announced(world, 3)
        eventually(lambda: speaker.session("router").bfd == "Up", within=20, what="BFD between node and router")
        world.space.ip("sw", "link", "set", "node", "down")
        cut = time.monotonic()
        eventually(lambda: not speaker.session("router").up, within=3, what="the session's end here", every=0.01)
        assert time.monotonic() - cut < 1.5
        assert "BFD lost peer" in speaker.session("router").last_error
        eventually(lambda: world.router.routes() == {}, within=3, what="no route at the router", every=0.05)
        world.space.ip("sw", "link", "set", "node", "up")
        announced(world, 3, within=40)
        eventually(lambda: speaker.session("router").bfd == "Up", within=20, what="BFD again")
        failures = world.log().count('"bfd_failed"')
        world.space.signal("node", "speaker.announcer", signal.SIGTERM)
        world.start_announcer()
        eventually(lambda: speaker.session("router").bfd == "Up", within=20, what="BFD with the next announcer")
        assert world.log().count('"bfd_failed"') == failures, "the announcer's absence was taken for a broken path"
    finally:
        world.down()

"""BFD of the real announcer with FRR's bfdd and with BIRD: single hop, multiple hops, IPv4, IPv6, faults."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speaker.announcer.bfd.packet import Control, State, encode
from speaker.ipc.messages import BFD_AUTHENTICATION, BfdAuthentication, BfdKey
from tests.e2e.bfd_world import FAR4, FAR6, NODE4, NODE6, ROUTER4, ROUTER6, BfdWorld, session
from tests.e2e.link_world import SpeakerEnd, socket_in
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
PROFILE = """
 profile quick
  receive-interval 100
  transmit-interval 100
 exit"""
LINK_LOCAL = "fe80::77"
ROUTER = f"""bfd{PROFILE}
 peer {NODE4} interface eth0
  profile quick
 exit
 peer {NODE6} local-address {ROUTER6} interface eth0
  profile quick
 exit
exit"""
FAR = f"""bfd{PROFILE}
 peer {NODE4} multihop local-address {FAR4}
  profile quick
  minimum-ttl 250
 exit
 peer {NODE6} multihop local-address {FAR6}
  profile quick
  minimum-ttl 250
 exit
exit"""
NOISE = 1.0  # seconds that a busy machine may add


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BfdWorld]:
    world = BfdWorld(tmp_path)
    try:
        world.up()
        yield world
    finally:
        world.down()
        print(world.log())


def test_frr_single_hop_both_families_and_the_timers_are_agreed(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    slow = session("six", ROUTER6, transmit_interval=250, receive_interval=400, detect_multiplier=5)
    supervisor.want(session("four"), slow)
    supervisor.wait_up("four", "six")
    frr.wait(NODE4, "up")
    frr.wait(NODE6, "up")
    # FRR tells the intervals of the other side once the Poll Sequence is over.
    eventually(lambda: frr.peer(NODE6)["remote-transmit-interval"] == 250, within=5, what="the agreed interval")
    assert frr.peer(NODE6)["remote-receive-interval"] == 400
    assert frr.peer(NODE6)["remote-detect-multiplier"] == 5
    assert frr.peer(NODE4)["remote-transmit-interval"] == 100
    assert not supervisor.failures


def test_frr_over_a_router_both_families(world: BfdWorld) -> None:
    frr = world.frr("ext", FAR)
    supervisor = world.start()
    far = {"multi_hop": True, "minimum_ttl": 250}
    supervisor.want(session("four", FAR4, local=NODE4, **far), session("six", FAR6, local=NODE6, **far))
    supervisor.wait_up("four", "six")
    frr.wait(NODE4, "up")
    frr.wait(NODE6, "up")
    # One router stands between: 254 is left, and that is too little for this one.
    supervisor.want(session("four", FAR4, local=NODE4, multi_hop=True, minimum_ttl=255))
    supervisor.wait_down("four", within=2)
    eventually(lambda: supervisor.failures, within=2, what="the failure")


def test_frr_link_local_by_interface(world: BfdWorld) -> None:
    for member in ("node", "rtr"):
        address = f"{LINK_LOCAL}:{11 if member == 'node' else 1}/64"
        world.space.ip(member, "addr", "add", address, "dev", "eth0", "nodad")
    ours, theirs = f"{LINK_LOCAL}:11", f"{LINK_LOCAL}:1"
    world.frr("rtr", f"bfd{PROFILE}\n peer {ours} local-address {theirs} interface eth0\n  profile quick\n exit\nexit")
    supervisor = world.start()
    supervisor.want(session("near", theirs, interface="eth0", local=ours), session("nowhere", theirs))
    supervisor.wait_up("near")
    assert "needs an interface" in supervisor.state("nowhere").problem


@pytest.mark.parametrize("fault", ["cable", "killed", "stopped"])
def test_a_fault_is_noticed_within_the_detection_time_and_told_once(world: BfdWorld, fault: str) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four"), session("six", ROUTER6))
    supervisor.wait_up("four", "six")
    time.sleep(1.0)
    match fault:
        case "cable":
            world.cable("rtr", "down")
        case "killed":
            frr.signal(signal.SIGKILL)
        case "stopped":
            frr.signal(signal.SIGSTOP)
    took = max(supervisor.wait_down("four", within=0.3 + NOISE), supervisor.wait_down("six", within=0.3 + NOISE))
    print(f"{fault}: noticed after {took:.3f} s")
    assert supervisor.state("four").diagnostic == 1
    assert sorted(name for _, name, _ in supervisor.failures) == ["four", "six"]
    match fault:
        case "cable":
            world.cable("rtr", "up")
        case "killed":
            return
        case "stopped":
            frr.signal(signal.SIGCONT)
    supervisor.wait_up("four", "six")
    assert len(supervisor.failures) == 2


def test_the_peers_admin_down_is_no_failure_and_ours_is_none_for_the_peer(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four"), session("six", ROUTER6))
    supervisor.wait_up("four", "six")
    frr.vtysh("configure terminal", "bfd", f"peer {NODE4} interface eth0", "shutdown")
    supervisor.wait_down("four", within=2)
    assert supervisor.state("four").remote_state == "AdminDown"
    frr.vtysh("configure terminal", "bfd", f"peer {NODE4} interface eth0", "no shutdown")
    supervisor.wait_up("four")
    # A session that is not wanted any more says so: FRR sees the neighbour's word, no silence.
    supervisor.want(session("six", ROUTER6))
    frr.wait(NODE4, "down", within=2)
    assert frr.peer(NODE4)["diagnostic"] == "neighbor signaled session down"
    assert supervisor.state("six").up
    world.end_announcer()
    frr.wait(NODE6, "down", within=2)
    assert frr.peer(NODE6)["diagnostic"] == "neighbor signaled session down"
    assert not supervisor.failures


def test_a_passive_side_waits_for_the_other(world: BfdWorld) -> None:
    supervisor = world.start()
    supervisor.want(session("four", passive=True))
    time.sleep(2)
    frr = world.frr("rtr", ROUTER)
    supervisor.wait_up("four")
    assert frr.counters(NODE4)["session-down"] == 0


def test_the_supervisor_may_restart_and_nothing_flaps(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    first = world.start()
    first.want(session("four"))
    first.wait_up("four")
    first.close()
    time.sleep(2)
    second = world.connect()
    eventually(lambda: second.state("four").up, within=2, what="the state after the restart")
    second.want(session("four"))
    time.sleep(1)
    assert frr.counters(NODE4)["session-down"] == 0
    assert not second.failures


def test_the_end_of_the_announcer_is_no_failure(world: BfdWorld) -> None:
    world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four"))
    supervisor.wait_up("four")
    world.end_announcer(signal.SIGKILL)
    eventually(lambda: not supervisor.client.connected, within=2, what="the end of the connection")
    assert supervisor.state("four").up, "the last word stays"
    world.start_announcer()
    eventually(lambda: supervisor.client.connected, within=15, what="the new announcer")
    eventually(lambda: supervisor.changes[-1][1].up and len(supervisor.changes) > 3, within=15, what="up again")
    assert not supervisor.failures


def test_a_frozen_announcer_distrusts_itself(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four", detect_multiplier=50))
    supervisor.wait_up("four")
    assert world.announcer is not None
    world.announcer.send_signal(signal.SIGSTOP)
    time.sleep(2)
    world.announcer.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert frr.counters(NODE4)["session-down"] == 0, "FRR was asked to wait for 5 s"
    assert not supervisor.failures, "what FRR sent meanwhile was read before the clock was looked at"


def test_a_peer_that_died_while_the_announcer_was_frozen_gets_a_whole_detection_time(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four", receive_interval=300))
    supervisor.wait_up("four")
    time.sleep(1)
    assert world.announcer is not None
    world.announcer.send_signal(signal.SIGSTOP)
    frr.signal(signal.SIGKILL)
    time.sleep(2)
    world.announcer.send_signal(signal.SIGCONT)
    took = supervisor.wait_down("four", within=0.9 + NOISE)
    assert took >= 0.8, "the detection time of 0.9 s began when the announcer ran again"
    assert len(supervisor.failures) == 1


def test_what_comes_from_further_away_is_dropped_and_everything_is_counted(world: BfdWorld) -> None:
    world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four"))
    supervisor.wait_up("four")
    far = encode(Control(State.DOWN, 3, 0x1234, 0))
    with socket_in(world.space.name("rtr"), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        for ttl, packet in ((254, far), (255, b"short"), (255, encode(Control(State.UP, 3, 0x1234, 0x4321)))):
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            sender.sendto(packet, (NODE4, 3784))
    speaker = SpeakerEnd(world.sockets / "announcer.sock")
    try:
        eventually(lambda: speaker.counter("bfd_dropped_total", "unknown_session") >= 1, within=10, what="the counters")
        assert speaker.counter("bfd_dropped_total", "bad_ttl") == 1
        assert speaker.counter("bfd_dropped_total", "truncated") == 1
        assert speaker.counter("bfd_session_up", ROUTER4) == 1
        assert speaker.counter("bfd_session_up_events_total", ROUTER4) == 1
        assert speaker.counter("bfd_session_down_events_total", ROUTER4) == 0
        for name in ("bfd_control_packet_input_total", "bfd_control_packet_output_total"):
            eventually(lambda name=name: speaker.counter(name, ROUTER4) > 3, within=15, what=name)  # type: ignore[misc]
    finally:
        speaker.close()
    assert not supervisor.failures


@pytest.mark.parametrize("kind", BFD_AUTHENTICATION)
def test_bird_with_every_kind_of_authentication(world: BfdWorld, kind: str) -> None:
    words = {
        "SimplePassword": "simple",
        "KeyedMD5": "keyed md5",
        "MeticulousKeyedMD5": "meticulous keyed md5",
        "KeyedSHA1": "keyed sha1",
        "MeticulousKeyedSHA1": "meticulous keyed sha1",
    }
    options = f'interval 100 ms; multiplier 3; authentication {words[kind]}; password "s3cret" {{ id 9; }};'
    ask = world.bird("rtr", f'interface "eth0" {{ {options} }}; neighbor {NODE4}; neighbor {NODE6};')
    supervisor = world.start()
    good = BfdAuthentication(kind=kind, keys=(BfdKey(id=9, secret=b"s3cret"), BfdKey(id=8, secret=b"old")))
    bad = BfdAuthentication(kind=kind, keys=(BfdKey(id=9, secret=b"guess"),))
    supervisor.want(session("four", authentication=good), session("six", ROUTER6, authentication=bad))
    supervisor.wait_up("four")
    eventually(
        lambda: f"{NODE4} " in ask("show bfd sessions") and " Up " in ask("show bfd sessions"), within=5, what="Up"
    )
    time.sleep(2)
    assert not supervisor.state("six").up
    supervisor.want(session("four", authentication=good), session("six", ROUTER6, authentication=good))
    supervisor.wait_up("six")
    assert supervisor.state("four").failures == 0
    print(ask("show bfd sessions"))


def test_a_port_that_another_daemon_has_is_told_and_taken_when_it_is_free(world: BfdWorld) -> None:
    world.frr("rtr", ROUTER)
    other = world.frr("node", "")
    supervisor = world.start()
    supervisor.want(session("four"))
    eventually(lambda: supervisor.state("four").problem, within=5, what="the problem")
    assert supervisor.state("four").problem == "UDP port 3784 cannot be opened: another BFD daemon on this node has it"
    other.signal(signal.SIGKILL)
    supervisor.wait_up("four")
    assert supervisor.state("four").problem == ""


def test_an_interface_that_comes_back_is_used_again(world: BfdWorld) -> None:
    world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four", interface="eth0"))
    supervisor.wait_up("four")
    world.space.ip("node", "link", "del", "eth0")
    supervisor.wait_down("four", within=0.3 + NOISE)
    eventually(lambda: "No such device" in supervisor.state("four").problem, within=3, what="the problem")
    peer = ["peer", "name", "eth0", "netns", world.space.name("node")]
    world.space.ip("sw", "link", "add", "node", "type", "veth", *peer)
    world.space.ip("sw", "link", "set", "node", "master", "lan", "up")
    world.space.ip("node", "link", "set", "eth0", "up")
    world.space.ip("node", "addr", "add", f"{NODE4}/24", "dev", "eth0")
    supervisor.wait_up("four")
    assert supervisor.state("four").problem == ""


def test_one_hundred_milliseconds_hold_while_every_processor_is_busy(world: BfdWorld) -> None:
    frr = world.frr("rtr", ROUTER)
    supervisor = world.start()
    supervisor.want(session("four"), session("six", ROUTER6))
    supervisor.wait_up("four", "six")
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        time.sleep(10)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert frr.counters(NODE4)["session-down"] == 0
    assert not supervisor.failures

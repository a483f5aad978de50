"""The announcer on a real link: kernels, arping and ndisc6 ask it; it runs as root with CAP_NET_RAW alone."""

import json
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.e2e.link_world import OTHER4, OTHER6, ROOT, VIP4, VIP6, LinkWorld, SpeakerEnd, Wire, mine
from tests.lab.shell import attempt
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
VIP4_BYTES = ip_address(VIP4).packed
BROADCAST = b"\xff" * 6
Change = Callable[[bytes], bytes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    world = LinkWorld(tmp_path)
    try:
        world.up()
        world.start()
        yield world
    finally:
        world.down()
        print(world.log())


@pytest.fixture
def speaker(world: LinkWorld) -> SpeakerEnd:
    """Connected; both addresses are owned on eth0."""
    speaker = world.connect()
    speaker.say(mine(VIP4, "eth0"), mine(VIP6, "eth0"))
    world.owned(speaker, VIP4, VIP6)
    return speaker


def question(wire: Wire, target: str, *, to: bytes = BROADCAST, sender: str = "192.168.77.50") -> bytes:
    """An ARP request of the client."""
    head = to + wire.mac + bytes.fromhex("0806 0001 0800 06 04 0001")
    return head + wire.mac + ip_address(sender).packed + bytes(6) + ip_address(target).packed


def is_reply(frame: bytes, address: str) -> bool:
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == ip_address(address).packed


def replies_to(wire: Wire, frame: bytes, witness: str = VIP4) -> list[bytes]:
    """The answers to one frame: those that come before the answer to an ordinary question sent behind it."""
    wire.send(frame)
    wire.send(question(wire, witness, sender="192.168.77.60"))
    found = []
    for answer in wire.frames(5.0):
        if is_reply(answer, witness) and answer[38:42] == ip_address("192.168.77.60").packed:
            return found
        if answer[20:22] == b"\0\2" and answer[0:6] == wire.mac:
            found.append(answer)
    raise AssertionError("the announcer does not answer at all")


# --- who is answered


def test_owned_addresses_are_answered_and_others_are_not(world: LinkWorld, speaker: SpeakerEnd) -> None:
    mac = world.mac("node")
    assert world.asks(VIP4, wait=3) == mac
    assert world.asks(VIP6, wait=3) == mac
    assert world.space.run("cli", "ndisc6", "-1", "-q", "-w", "3000", VIP6, "eth0").strip().lower() == mac
    assert world.asks(OTHER4) == ""
    assert world.asks(OTHER6) == ""


def test_only_the_chosen_interface_answers(world: LinkWorld, speaker: SpeakerEnd) -> None:
    assert world.asks(VIP4, "eth1") == ""
    assert world.asks(VIP6, "eth1") == ""
    speaker.change(mine(VIP4, "eth1"), mine(VIP6, "eth1"))
    eventually(lambda: speaker.owned(VIP4) == ("eth1",) == speaker.owned(VIP6), within=5, what="the move to eth1")
    mac = world.mac("node", "eth1")
    assert world.asks(VIP4, "eth1", wait=3) == mac
    assert world.asks(VIP6, "eth1", wait=3) == mac
    assert world.asks(VIP4) == ""
    assert world.asks(VIP6) == ""


def test_an_address_that_only_others_may_own_is_not_answered(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.change(mine(OTHER4, candidates=("node-b",)), mine(OTHER6, candidates=("node-b",)))
    assert world.asks(OTHER4) == ""
    assert world.asks(OTHER6) == ""
    speaker.change(mine(OTHER4, candidates=("node-b", "node-a")))
    world.owned(speaker, OTHER4)
    assert world.asks(OTHER4, wait=3) == world.mac("node")


def test_an_owner_that_is_no_candidate_any_more_answers_until_somebody_takes_the_address(
    world: LinkWorld, speaker: SpeakerEnd
) -> None:
    speaker.change(mine(VIP4, candidates=("node-b",)))
    eventually(lambda: "no_heir" in world.log(), within=5, what="the word that nobody takes it")
    assert world.asks(VIP4, wait=3) == world.mac("node")


def test_a_withdrawn_address_is_silent_and_the_other_goes_on(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.change(removed=(VIP4,))
    eventually(lambda: not speaker.owned(VIP4), within=5, what="the release")
    assert world.asks(VIP4) == ""
    assert world.asks(VIP6, wait=3) == world.mac("node")


# --- which frames are answered


def test_a_request_to_another_host_is_not_answered(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.ip("node", "link", "set", "eth0", "promisc", "on")
    with Wire(world.space, "cli") as wire:
        assert replies_to(wire, question(wire, VIP4, to=bytes.fromhex("020000000099"))) == []
        own = bytes.fromhex(world.mac("node").replace(":", ""))
        assert len(replies_to(wire, question(wire, VIP4, to=own))) == 1
    eventually(lambda: speaker.counter("layer2_dropped_total", "not_for_us") >= 1, within=10, what="the count")


def test_a_request_with_a_vlan_tag_is_counted_and_not_answered(world: LinkWorld, speaker: SpeakerEnd) -> None:
    with Wire(world.space, "cli") as wire:
        plain = question(wire, VIP4)
        tagged = plain[:12] + struct.pack("!HH", 0x8100, 5) + plain[12:]
        assert len(replies_to(wire, plain)) == 1
        assert replies_to(wire, tagged) == []
    eventually(lambda: speaker.counter("layer2_dropped_total", "vlan_tagged") == 1, within=10, what="the count")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("truncated", lambda frame: frame[:41]),
        ("hardware type 6", lambda frame: frame[:14] + b"\0\6" + frame[16:]),
        ("hardware length 8", lambda frame: frame[:18] + b"\x08" + frame[19:]),
        ("protocol type IPv6", lambda frame: frame[:16] + b"\x86\xdd" + frame[18:]),
        ("a reply", lambda frame: frame[:20] + b"\0\2" + frame[22:]),
        ("from a group address", lambda frame: frame[:22] + BROADCAST + frame[28:]),
        ("a foreign claim", lambda frame: frame[:28] + frame[38:42] + frame[32:]),
    ],
)
def test_odd_frames_are_not_answered(world: LinkWorld, speaker: SpeakerEnd, name: str, change: Change) -> None:
    with Wire(world.space, "cli") as wire:
        assert replies_to(wire, change(question(wire, VIP4))) == [], name


def test_counters_are_reported_with_their_reasons(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.asks(VIP4, wait=3)
    world.asks(VIP6, wait=3)
    with Wire(world.space, "cli") as wire:
        odd = question(wire, VIP4)
        wire.send(odd[:18] + b"\x08" + odd[19:])

    def told() -> bool:
        return (
            speaker.counter("layer2_owned_addresses", "") == 2
            and speaker.counter("layer2_requests_received_total", "IPv4") == 1
            and speaker.counter("layer2_responses_sent_total", "IPv4") == 1
            and speaker.counter("layer2_responses_sent_total", "IPv6") >= 1
            and speaker.counter("layer2_gratuitous_sent_total", "IPv4") >= 2
            and speaker.counter("layer2_gratuitous_sent_total", "IPv6") >= 1
            and speaker.counter("layer2_dropped_total", "not_ethernet_ipv4") == 1
            and "heraldlb_announcer_loop_lag_seconds" in speaker.counters.values
        )

    eventually(told, within=12, what="counters")


# --- the kernel as client


def test_a_kernel_learns_the_address_by_asking(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.attempt("cli", "ping", "-c1", "-W1", VIP4)
    world.space.attempt("cli", "ping", "-6", "-c1", "-W1", VIP6)
    mac = world.mac("node")
    eventually(lambda: mac in world.neighbour(VIP4), within=5, what="an entry of IPv4")
    eventually(lambda: mac in world.neighbour(VIP6), within=5, what="an entry of IPv6")


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_unicast_probes_of_the_kernel_are_satisfied(world: LinkWorld, speaker: SpeakerEnd, address: str) -> None:
    entry = ("neigh", "replace", address, "dev", "eth0", "lladdr", world.mac("node"), "nud")
    world.space.ip("cli", *entry, "probe")
    eventually(lambda: "REACHABLE" in world.neighbour(address), within=5, what="a confirmed entry", every=0.02)


def test_a_takeover_updates_the_entry_that_a_client_has(world: LinkWorld) -> None:
    speaker = world.connect()
    speaker.say()
    for address in (VIP4, VIP6):
        world.space.ip("cli", "neigh", "replace", address, "dev", "eth0", "lladdr", "02:00:00:00:00:99", "nud", "stale")
    speaker.change(mine(VIP4), mine(VIP6))
    world.owned(speaker, VIP4, VIP6)
    mac = world.mac("node")
    eventually(lambda: mac in world.neighbour(VIP4), within=5, what="the new MAC for IPv4", every=0.02)
    eventually(lambda: mac in world.neighbour(VIP6), within=5, what="the new MAC for IPv6", every=0.02)


def test_duplicate_address_detection_of_a_kernel_finds_the_owner(world: LinkWorld, speaker: SpeakerEnd) -> None:
    world.space.run("cli", "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1", "net.ipv6.conf.eth0.dad_transmits=1")
    world.space.ip("cli", "addr", "add", f"{VIP6}/64", "dev", "eth0")
    eventually(
        lambda: "dadfailed" in world.space.ip("cli", "-6", "addr", "show", "dev", "eth0"),
        within=8,
        what="the failure of duplicate address detection",
    )


def test_solicited_node_groups_are_joined_and_left(world: LinkWorld, speaker: SpeakerEnd) -> None:
    group = "ff02::1:ff00:200"

    def joined() -> bool:
        return group in world.space.ip("node", "-6", "maddr", "show", "dev", "eth0")

    assert joined()
    speaker.change(removed=(VIP6,))
    eventually(lambda: not joined(), within=5, what="the end of the membership")


def test_an_mld_report_tells_the_switch_of_the_group(world: LinkWorld, speaker: SpeakerEnd) -> None:
    group = ip_address("ff02::1:ff00:201").packed
    with Wire(world.space, "cli") as wire:
        speaker.change(mine(OTHER6))
        # Hop-by-hop header with router alert, then an MLDv2 report (RFC 3810: type 143) that names the group.
        wire.wait_for(lambda f: f[12:14] == b"\x86\xdd" and f[20] == 0 and f[62] == 143 and group in f, within=10)


def test_an_interface_without_ipv6_is_served_all_the_same(world: LinkWorld) -> None:
    world.space.run("node", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    speaker = world.connect()
    speaker.say(mine(VIP4), mine(VIP6))
    world.owned(speaker, VIP4, VIP6)
    assert world.asks(VIP4, wait=3) == world.mac("node")
    assert world.asks(VIP6, wait=3) == world.mac("node")


# --- gratuitous frames


def test_a_takeover_is_told_five_times_in_both_forms(world: LinkWorld) -> None:
    speaker = world.connect()
    mac = bytes.fromhex(world.mac("node").replace(":", ""))
    address = ip_address(VIP4).packed
    with Wire(world.space, "cli") as wire:
        speaker.say(mine(VIP4, "eth0"))
        told = [
            frame[20:22]
            for frame in wire.frames(6.0)
            if frame[12:14] == b"\x08\x06" and frame[28:32] == address == frame[38:42] and frame[6:12] == mac
        ]
    assert told == [b"\0\1", b"\0\2"] * 5


# --- the process


def test_a_restarted_announcer_resumes_without_a_speaker(world: LinkWorld, speaker: SpeakerEnd) -> None:
    memory = world.sockets / "announcer.snapshot.json"
    eventually(memory.exists, within=5, what="the snapshot's file")
    speaker.close()
    world.end(signal.SIGKILL)
    assert world.asks(VIP4, wait=0.3) == ""
    world.start()
    eventually(lambda: world.asks(VIP4, wait=0.2) != "", within=10, what="an answer", every=0)
    assert world.asks(VIP6, wait=3) == world.mac("node")


def test_a_restarted_announcer_knows_that_its_node_cannot_forward(world: LinkWorld) -> None:
    memory = world.sockets / "announcer.snapshot.json"
    speaker = world.connect()
    speaker.say(mine(VIP4), mine(VIP6), unwilling=("cannot_forward",))
    eventually(lambda: memory.exists() and b"cannot_forward" in memory.read_bytes(), within=5, what="the file")
    speaker.close()
    world.end(signal.SIGKILL)
    world.start()
    again = world.connect()
    with Wire(world.space, "cli") as wire:
        claims = [frame for frame in wire.frames(5.0) if frame[12:14] == b"\x08\x06" and VIP4_BYTES in frame]
    assert claims == []
    assert again.owned(VIP4) == again.owned(VIP6) == ()
    again.say(mine(VIP4), mine(VIP6))
    world.owned(again, VIP4, VIP6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"type":"link-snapshot"}',
        '{"type":"link-snapshot","node":"node-a","members":[],"announcements":[],"unwilling":["a new reason"]}',
        json.dumps(
            {
                "type": "link-snapshot",
                "node": "node-a",
                "members": [],
                "announcements": [{"type": "link-announcement", "address": "no address", "candidates": ["node-a"]}],
            }
        ),
    ],
)
def test_a_spoilt_snapshot_is_ignored(world: LinkWorld, text: str) -> None:
    world.connect()
    world.end()
    (world.sockets / "announcer.snapshot.json").write_text(text)
    world.start()
    speaker = world.connect()
    speaker.say(mine(VIP4))
    world.owned(speaker, VIP4)


def test_an_address_that_is_none_spoils_only_its_message(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.change(mine("no address"), mine(OTHER4))
    speaker.change(mine(OTHER6))
    world.owned(speaker, OTHER6)
    assert set(speaker.state.owned) == {VIP4, VIP6, OTHER6}
    assert "bad_message" in world.log()


def test_sigterm_ends_the_answers_and_the_process(world: LinkWorld, speaker: SpeakerEnd) -> None:
    assert world.end() == 0
    assert world.asks(VIP4) == ""
    assert world.asks(VIP6) == ""


def test_answers_go_on_while_the_speaker_is_away(world: LinkWorld, speaker: SpeakerEnd) -> None:
    speaker.close()
    assert world.asks(VIP4, wait=3) == world.mac("node")
    again = world.connect()
    world.owned(again, VIP4, VIP6)
    again.say(mine(VIP4))
    eventually(lambda: set(again.state.owned) == {VIP4}, within=5, what="what the new speaker says")
    assert world.asks(VIP6) == ""


def test_it_has_no_capability_but_net_raw(world: LinkWorld, speaker: SpeakerEnd) -> None:
    assert world.announcer is not None
    status = Path(f"/proc/{world.announcer.pid}/status").read_text()
    held = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert {int(held[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {1 << 13}


def test_without_the_capability_it_says_so_and_ends(world: LinkWorld) -> None:
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    program = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={world.sockets}"]
    result = attempt(["env", "-C", str(ROOT), *world.space.enter("node", *bare, *program)], timeout=30)
    assert result.returncode == 1
    assert "needs CAP_NET_RAW" in result.stderr
    assert "Traceback" not in result.stderr

"""Layer 2 by real announcers on a LAN of namespaces: gaps in the answers, 1,000 addresses that move, latency, cost.

`python -m tests.bench.bench_layer2 [RUNS] [FLAG ...]`; the flags are the announcers', such as --liveness-interval=100.
Needs root. A client asks for one IPv4 and one IPv6 address every 10 ms; a gap is the longest time between two answers
around what happens. Nothing here passes or fails.
"""

import os
import select
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from speaker.ipc.messages import LinkAnnouncement, LinkSnapshot
from speaker.ipc.stream import encode
from tests.bench.bench_bfd import cpu_seconds
from tests.e2e.link_world import Wire
from tests.e2e.ownership_world import CLIENT, Asking, Member, OwnershipWorld
from tests.lab.namespaces import LAN4, LAN6
from tests.lab.wait import NotWithin, eventually

NAMES = ["node-a", "node-b", "node-c"]
VIPS = [f"{LAN4}.200", f"{LAN6}::200"]
MANY = [f"10.99.{number // 250}.{number % 250 + 1}" for number in range(1000)]
ASKED, FOREIGN_RATE, FOREIGN_SECONDS = 2000, 20_000, 5.0


class Soliciting(Asking):
    """The same as Asking, by neighbour solicitations (RFC 4861 4.3)."""

    def run(self) -> None:
        mine, target = self.wire.mac.hex(":"), IPv6Address(self.address).packed
        group = f"ff02::1:ff{target[13]:02x}:{target[14]:02x}{target[15]:02x}"
        request = bytes(
            Ether(src=mine, dst=f"33:33:ff:{target[13:].hex(':')}")
            / IPv6(src=f"{LAN6}::{CLIENT}", dst=group, hlim=255)
            / ICMPv6ND_NS(tgt=self.address)
            / ICMPv6NDOptSrcLLAddr(lladdr=mine)
        )
        while not self.done.is_set():
            self.wire.send(request)
            for frame in self.wire.frames(0.01):
                if frame[:6] == self.wire.mac and frame[54:55] == b"\x88" and frame[62:78] == target:
                    self.answers.append((time.monotonic(), frame[6:12]))


def told(values: Sequence[float], unit: str = "s") -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    figures = {"min": ordered[0], "median": statistics.median(ordered), "p99": p99, "max": ordered[-1]}
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items()) + f" {unit} ({len(ordered)} runs)"


def say(world: OwnershipWorld, member: Member, first: str, addresses: Sequence[str]) -> None:
    """The member's speaker names candidates: `first`, then the others."""
    candidates = (first, *(name for name in NAMES if name != first))
    entries = tuple(LinkAnnouncement(address=address, candidates=candidates) for address in addresses)
    assert member.speaker is not None
    member.speaker.socket.sendall(encode(LinkSnapshot(node=member.name, members=tuple(NAMES), announcements=entries)))


def say_all(world: OwnershipWorld, first: str, addresses: Sequence[str]) -> None:
    for member in world.members.values():
        say(world, member, first, addresses)
    owner = world.members[first]
    eventually(lambda: owns(owner, addresses), within=20, what=f"{first} owns all", every=0.02)
    time.sleep(3)


def owns(member: Member, addresses: Sequence[str]) -> bool:
    return member.speaker is not None and all(member.speaker.owned(address) for address in addresses)


def begin_again(world: OwnershipWorld, flags: Sequence[str]) -> None:
    """All nodes anew, so that each run begins with the same owner."""
    for member in world.members.values():
        if member.process is not None:
            member.process.kill()
            member.end()
        world.cut(member.name, up=True)
        for memory in member.sockets.glob("*.json"):
            memory.unlink()
    for member in world.members.values():
        member.start(*flags)
    for member in world.members.values():
        member.connect()


def killed(_: OwnershipWorld, member: Member) -> None:
    member.signal(signal.SIGKILL)


def cut(world: OwnershipWorld, member: Member) -> None:
    world.cut(member.name)


def frozen(_: OwnershipWorld, member: Member) -> None:
    member.signal(signal.SIGSTOP)


def ended(_: OwnershipWorld, member: Member) -> None:
    member.signal(signal.SIGTERM)
    member.end()


def excluded(world: OwnershipWorld, member: Member) -> None:
    """What an exclusion label does: the node is no candidate any more."""
    for other in world.members.values():
        candidates = tuple(name for name in NAMES if name != member.name)
        entries = tuple(LinkAnnouncement(address=address, candidates=candidates) for address in VIPS)
        assert other.speaker is not None
        other.speaker.socket.sendall(encode(LinkSnapshot(node=other.name, members=tuple(NAMES), announcements=entries)))


def gaps(world: OwnershipWorld, fault: Callable[[OwnershipWorld, Member], None], flags: Sequence[str]) -> list[float]:
    """The longest gap of each address around one fault of its owner."""
    begin_again(world, flags)
    say_all(world, NAMES[0], VIPS)
    old = world.members[NAMES[0]]
    with Wire(world.space, "cli") as four, Wire(world.space, "cli") as six:
        trains = [Asking(four, VIPS[0]), Soliciting(six, VIPS[1])]
        for train in trains:
            train.start()
        try:
            eventually(lambda: all(train.who() == {old.mac} for train in trains), within=5, what="answers")
            begun = time.monotonic()
            fault(world, old)
            eventually(
                lambda: all(train.who(0.1) - {old.mac} for train in trains), within=10, what="others", every=0.01
            )
            time.sleep(0.3)
            return [train.longest_gap(begun - 0.1) for train in trains]
        finally:
            for train in trains:
                train.done.set()
                train.join()


def many_die(world: OwnershipWorld, flags: Sequence[str]) -> float:
    """Seconds until the last of 1,000 addresses of a node that was killed is owned elsewhere."""
    begin_again(world, flags)
    say_all(world, NAMES[0], MANY)
    world.members[NAMES[0]].signal(signal.SIGKILL)
    heirs = [member.speaker for member in world.members.values() if member.name != NAMES[0] and member.speaker]
    return eventually(
        lambda: all(any(heir.owned(address) for heir in heirs) for address in MANY),
        within=20,
        what="all addresses elsewhere",
        every=0.01,
    )


def request(wire: Wire, address: str) -> bytes:
    mine = wire.mac.hex(":")
    return bytes(
        Ether(src=mine, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mine, psrc=f"{LAN4}.{CLIENT}", pdst=address)
    )


def latency(wire: Wire, address: str) -> list[float]:
    """Milliseconds from question to answer."""
    frame, target, found = request(wire, address), bytes(map(int, address.split("."))), []
    for _ in range(ASKED):
        begun = time.perf_counter()
        wire.send(frame)
        wire.wait_for(lambda frame: frame[:6] == wire.mac and frame[28:32] == target)
        found.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.001)
    return found


def rss(pid: int) -> float:
    """MiB."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def cost(world: OwnershipWorld, flags: Sequence[str]) -> None:
    """The owner of 1,000 addresses: latency against its kernel, CPU in rest and under foreign ARP, memory."""
    begin_again(world, flags)
    say_all(world, NAMES[0], [*MANY, VIPS[0]])
    owner = world.members[NAMES[0]]
    assert owner.process is not None
    pid = next(iter(world.space.find(owner.name, "-m speaker.announcer")), owner.process.pid)
    with Wire(world.space, "cli") as wire:
        print("ARP reply, announcer:", told(latency(wire, VIPS[0]), "ms"), flush=True)
        print("ARP reply, kernel:   ", told(latency(wire, f"{LAN4}.{owner.part}"), "ms"), flush=True)
        for rate in (0, FOREIGN_RATE):
            before, begun, sent = cpu_seconds(pid), time.monotonic(), 0
            frame = request(wire, "10.200.0.1")
            while (passed := time.monotonic() - begun) < FOREIGN_SECONDS:
                for _ in range(max(0, int(passed * rate) - sent)):
                    wire.send(frame)
                    sent += 1
                select.select([], [], [], 0.001)
            spent = cpu_seconds(pid) - before
            print(f"{sent / passed:.0f} foreign ARP/s: {100 * spent / passed:.1f} % of a processor", flush=True)
    print(f"RSS of the announcer with 1,001 addresses: {rss(pid):.0f} MiB", flush=True)


def main(runs: int, flags: Sequence[str]) -> None:
    print(f"load average {os.getloadavg()[0]:.1f}; {runs} runs; {' '.join(flags) or 'default settings'}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        world = OwnershipWorld(Path(folder), NAMES)
        try:
            world.up(*flags)
            cost(world, flags)
            for fault in (cut, killed, frozen, ended, excluded):
                found = []
                for _ in range(runs):
                    try:
                        found.append(gaps(world, fault, flags))
                    except NotWithin as error:
                        print(f"{fault.__name__}: {error}", flush=True)
                for label, values in zip(("ARP", "NS"), zip(*found, strict=True), strict=False):
                    print(f"{fault.__name__}, {label}: {told(values)}", flush=True)
            died = [many_die(world, flags) for _ in range(max(1, runs // 5))]
            print(f"1,000 addresses of a killed node: {told(died)}", flush=True)
        finally:
            world.down()
    print(f"load average {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2:])

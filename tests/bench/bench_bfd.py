"""BFD of the real announcer: CPU and packets for 6 and 99 sessions of 200 ms x 3, and how soon a Poll is answered.

Needs root and network namespaces. Two nodes with an announcer each hold the sessions between pairs of addresses; a
client in a third namespace polls the first node by hand. A ring of speakers has 6 sessions on each node, whatever the
size of the cluster; 99 are a full mesh of 100 nodes. Nothing here passes or fails.
"""

import json
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from speaker.announcer.bfd.packet import Control, State, encode, parse
from speaker.ipc.messages import BfdSession
from tests.e2e.bfd_world import ROUTER4, BfdWorld, Supervisor, session
from tests.e2e.link_world import socket_in

SECONDS = 20.0
POLLS, PAUSE = 2000, 0.004
TICKS = os.sysconf("SC_CLK_TCK")
NODE = "192.168.77.11"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def packets(world: BfdWorld) -> tuple[int, int]:
    """What the node's interface received and sent."""
    [link] = json.loads(world.space.ip("node", "-s", "-j", "link", "show", "eth0"))
    return link["stats64"]["rx"]["packets"], link["stats64"]["tx"]["packets"]


def pair(number: int) -> tuple[str, str]:
    return f"10.9.1.{number}", f"10.9.2.{number}"


class Bench:
    """`world.node` is measured; `other` is the announcer at the other end of all sessions."""

    def __init__(self, world: BfdWorld) -> None:
        self.world = world
        self.wanted: list[BfdSession] = []
        self.node = world.start()
        self.other = self._start_other()
        for number in range(1, 100):
            ours, theirs = pair(number)
            world.space.ip("node", "addr", "add", f"{ours}/16", "dev", "eth0")
            world.space.ip("peer", "addr", "add", f"{theirs}/16", "dev", "eth0")

    def _start_other(self) -> Supervisor:
        world = self.world
        folder = world.sockets / "peer"
        folder.mkdir()
        world.space.plug("peer", "peer", 12)
        command = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={folder}", "--log-format=json"]
        world.space.start("peer", command, world.folder / "peer.log", {"PYTHONPATH": str(Path(__file__).parents[2])})
        supervisor = Supervisor(folder)
        world.supervisors.append(supervisor)
        return supervisor

    def sessions(self, number: int) -> None:
        intervals = {"transmit_interval": 200, "receive_interval": 200}
        ours, theirs = list[BfdSession](), list[BfdSession]()
        for index in range(1, number + 1):
            here, there = pair(index)
            ours.append(session(f"s{index}", there, local=here, **intervals))
            theirs.append(session(f"s{index}", here, local=there, **intervals))
        self.wanted = ours
        self.node.want(*ours)
        self.other.want(*theirs)
        self.node.wait_up(*(one.name for one in ours), within=30)
        time.sleep(2)

    def measure(self, number: int) -> None:
        assert self.world.announcer is not None
        pid = self.world.space.find("node", r"speaker\.announcer")[0]
        self.sessions(number)
        (received, sent), cpu, began = packets(self.world), cpu_seconds(pid), time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - began
        (received_now, sent_now), used = packets(self.world), cpu_seconds(pid) - cpu
        rates = (received_now - received) / took, (sent_now - sent) / took
        cost = used / max(1, received_now - received + sent_now - sent) * 1e6
        print(
            f"{number:3d} sessions: {rates[0]:6.1f} packets/s received, {rates[1]:6.1f} sent, {used / took:6.2%} of a "
            f"processor, {cost:4.0f} us a packet, {len(self.node.failures)} failures",
            flush=True,
        )
        print(f"{number:3d} sessions: a Poll is answered after {self.latency()}", flush=True)

    def latency(self) -> str:
        """Polls by hand, from a client."""
        name = self.world.space.name("rtr")
        with (
            socket_in(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as hears,
            socket_in(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as speaks,
        ):
            hears.bind((ROUTER4, 3784))
            hears.settimeout(2)
            speaks.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            speaks.bind((ROUTER4, 50000))
            return self._poll(hears, speaks)

    def _poll(self, hears: socket.socket, speaks: socket.socket) -> str:
        self.node.want(*self.wanted, session("poller", ROUTER4, transmit_interval=1000))
        found = []
        poll = encode(Control(State.DOWN, 30, 0x77777777, poll=True))
        while parse(hears.recv(256)).state is State.ADMIN_DOWN:
            pass  # the last words of the session of the previous round
        for _ in range(POLLS):
            began = time.perf_counter()
            speaks.sendto(poll, (NODE, 3784))
            while not parse(hears.recv(256)).final:
                pass
            found.append((time.perf_counter() - began) * 1e6)
            time.sleep(PAUSE)
        self.node.want(*self.wanted)
        cuts = statistics.quantiles(found, n=1000)
        return f"{cuts[499]:.0f} us (median), {cuts[989]:.0f} (p99), {max(found):.0f} (longest of {POLLS})"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = BfdWorld(Path(folder))
        try:
            world.up()
            bench = Bench(world)
            for number in (6, 99):
                bench.measure(number)
        finally:
            world.down()


if __name__ == "__main__":
    main()

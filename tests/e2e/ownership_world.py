"""Announcers on one LAN of namespaces: real processes, sockets and kernels, no Kubernetes.

Each node runs the announcer as the pod does. The client asks for an address every 10 ms by ARP, and remembers who
answered when.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from scapy.layers.l2 import ARP, Ether

from speaker.decide.ranking import rank
from speaker.ipc.messages import LinkAnnouncement, LinkSnapshot
from speaker.ipc.stream import encode
from tests.e2e.link_world import _ONLY_NET_RAW, SpeakerEnd, Wire
from tests.lab.namespaces import LAN4, Namespaces
from tests.lab.shell import attempt
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
CLIENT = 50


class Member:
    """One node: its announcer, and the speaker's end of its socket."""

    def __init__(self, world: "OwnershipWorld", name: str, part: int) -> None:
        self.world, self.name, self.part = world, name, part
        self.sockets = Path(f"/tmp/{world.space.prefix.rstrip('-')}{name}")
        self.process: subprocess.Popen[bytes] | None = None
        self.speaker: SpeakerEnd | None = None
        self.mac = b""

    def start(self, *flags: str) -> None:
        self.sockets.mkdir(mode=0o770, exist_ok=True)
        (self.sockets / "announcer.sock").unlink(missing_ok=True)
        command = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={self.sockets}", "--log-format=json"]
        with (self.world.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.world.space.enter(self.name, *_ONLY_NET_RAW, *command, *flags),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("HERALDLB_")},
            )

    def connect(self) -> None:
        path = self.sockets / "announcer.sock"
        if self.speaker is not None:
            self.speaker.close()  # that of the process before
        eventually(path.exists, within=30, what="the announcer's socket", every=0.02)

        def connected() -> bool:
            try:
                self.speaker = SpeakerEnd(path)
            except OSError:
                return False
            return True

        eventually(connected, within=30, what="a connection", every=0.02)

    def say(self, addresses: list[str], members: list[str], *, rebalance: tuple[str, ...] = ()) -> None:
        assert self.speaker is not None
        announcements = tuple(
            LinkAnnouncement(address=address, candidates=self.world.ranked(address, members), rebalance=rebalance)
            for address in addresses
        )
        snapshot = LinkSnapshot(node=self.name, members=tuple(members), announcements=announcements)
        self.speaker.socket.sendall(encode(snapshot))

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> None:
        """Wait until it is gone."""
        assert self.process is not None
        self.process.wait(timeout=20)


class Asking(threading.Thread):
    """The client asks for one address every 10 ms; `answers` are (time, hardware address)."""

    def __init__(self, wire: Wire, address: str) -> None:
        super().__init__(daemon=True)
        self.wire, self.address = wire, address
        self.answers: list[tuple[float, bytes]] = []
        self.done = threading.Event()

    def run(self) -> None:
        mine = self.wire.mac.hex(":")
        request = bytes(
            Ether(src=mine, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mine, psrc=f"{LAN4}.{CLIENT}", pdst=self.address)
        )
        target = bytes(map(int, self.address.split(".")))
        while not self.done.is_set():
            self.wire.send(request)
            for frame in self.wire.frames(0.01):
                # Answers only: gratuitous frames are sent to everybody.
                if frame[12:14] == b"\x08\x06" and frame[:6] == self.wire.mac and frame[28:32] == target:
                    self.answers.append((time.monotonic(), frame[22:28]))

    def longest_gap(self, since: float = 0.0) -> float:
        times = [at for at, _ in self.answers if at >= since]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=float("inf"))

    def who(self, seconds: float = 0.3) -> set[bytes]:
        """Who answered lately."""
        now = time.monotonic()
        return {mac for at, mac in self.answers if now - at < seconds}


class OwnershipWorld:
    """A switch, nodes with announcers, a client."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.space = Namespaces(f"ho{uuid.uuid4().hex[:5]}-")
        self.members = {name: Member(self, name, 11 + index) for index, name in enumerate(names)}
        self.askings: list[Asking] = []
        self.rebalanced = False
        self.wire: Wire | None = None

    def ranked(self, address: str, members: list[str]) -> tuple[str, ...]:
        return rank(ip_address(address), members)

    def up(self, *flags: str, absent: Sequence[str] = ()) -> None:
        """Plug everybody in, and start the announcers of those that are not absent."""
        self.space.make_switch()
        for member in self.members.values():
            self.space.plug(member.name, member.name, member.part)
            words = self.space.ip(member.name, "-o", "link", "show", "eth0").split()
            member.mac = bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))
            if member.name not in absent:
                member.start(*flags)
        self.space.plug("cli", "cli", CLIENT)
        self.wire = Wire(self.space, "cli")
        for member in self.members.values():
            if member.process is not None:
                member.connect()

    def announce(self, *addresses: str) -> None:
        """All speakers name the candidates of these addresses."""
        for member in self.members.values():
            member.say(list(addresses), sorted(self.members))
        eventually(
            lambda: all(self.owner(address) is not None for address in addresses),
            within=10,
            what=f"owners of {addresses}",
            every=0.02,
        )

    def owner(self, address: str) -> Member | None:
        """The one member that says that it owns the address."""
        found = [
            member
            for member in self.members.values()
            if member.speaker is not None and member.process is not None and member.process.poll() is None
            if member.speaker.owned(address)
        ]
        return found[0] if len(found) == 1 else None

    def ask(self, address: str) -> Asking:
        assert self.wire is not None
        asking = Asking(self.wire, address)
        self.askings.append(asking)
        asking.start()
        return asking

    def cut(self, name: str, *, up: bool = False) -> None:
        """Pull a member's cable at the switch, or plug it in again."""
        self.space.ip("sw", "link", "set", name, "up" if up else "down")

    def part(self, sender: Member, receiver: Member) -> None:
        """The switch loses what one member sends to another, broadcasts too; everybody else hears both."""
        chain = "bridge", "parted", "forward"
        self.space.run("sw", "nft", "add", "table", *chain[:2])
        self.space.run("sw", "nft", "add", "chain", *chain, "{ type filter hook forward priority 0; }")
        self.space.run("sw", "nft", "add", "rule", *chain, "iif", sender.name, "oif", receiver.name, "drop")

    def join(self) -> None:
        """Nobody is parted any more."""
        self.space.run("sw", "nft", "delete", "table", "bridge", "parted")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def down(self) -> None:
        for asking in self.askings:
            asking.done.set()
            asking.join()
        for member in self.members.values():
            if member.speaker is not None:
                member.speaker.close()
            if member.process is not None:
                member.process.kill()
                member.process.wait(timeout=10)
            shutil.rmtree(member.sockets, ignore_errors=True)
        if self.wire is not None:
            self.wire.socket.close()
        self.space.kill_all()
        self.space.delete_all()
        for name in self.members:  # a name with a dash could be another lab's, so `delete_all` leaves it
            attempt(["ip", "netns", "del", self.space.name(name)])

"""What the announcer's tests use: a node and a client on a LAN of namespaces, the real process, a speaker's end.

The announcer runs as it does in the pod: root with CAP_NET_RAW alone. The client's frames are seen and made by a packet
socket that lives in the client's namespace; kernels, arping and ndisc6 are the other judges.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import msgspec
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from speaker.ipc.messages import AnyMessage, Counters, LinkAnnouncement, LinkDelta, LinkSnapshot, LinkState
from speaker.ipc.stream import encode
from tests.lab.namespaces import LAN4, LAN6, NETNS, Namespaces
from tests.lab.shell import run
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
NODE = "node-a"
_CLONE_NEWNET = 0x40000000
_ONLY_NET_RAW = ["setpriv", "--no-new-privs", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--ambient-caps=-all"]


def socket_in(namespace: str, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket made inside a network namespace; it stays there, whoever uses it."""
    made: list[socket.socket] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def work() -> None:
        with (NETNS / namespace).open() as handle:
            if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(make())

    thread = threading.Thread(target=work)  # the namespace is the thread's own
    thread.start()
    thread.join()
    return made[0]


class Wire:
    """Raw frames on one interface of a member."""

    def __init__(self, space: Namespaces, member: str, interface: str = "eth0") -> None:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            made.setsockopt(socket.SOL_SOCKET, 33, 16 * 1024 * 1024)  # SO_RCVBUFFORCE
            made.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
            made.bind((interface, 3))
            return made

        self.socket = socket_in(space.name(member), make)
        self.mac: bytes = self.socket.getsockname()[4]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def frames(self, seconds: float) -> Iterator[bytes]:
        """What arrives until the time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                yield self.socket.recv(65536)
            except (TimeoutError, BlockingIOError):
                return

    def wait_for(self, wanted: Callable[[bytes], bool], within: float = 5.0) -> bytes:
        """The first frame that is wanted."""
        for frame in self.frames(within):
            if wanted(frame):
                return frame
        raise AssertionError(f"no such frame within {within:g} s")


class SpeakerEnd:
    """The speaker's side of announcer.sock: sends snapshots, remembers what is reported."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.state = LinkState(owned={})
        self.states = 0
        self.counters = Counters(values={})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def say(self, *announcements: LinkAnnouncement, node: str = NODE, unwilling: tuple[str, ...] = ()) -> None:
        """All announcements; what is missing is withdrawn."""
        self._send(LinkSnapshot(node=node, members=(node,), announcements=announcements, unwilling=unwilling))

    def change(self, *announcements: LinkAnnouncement, removed: tuple[str, ...] = ()) -> None:
        self._send(LinkDelta(changed=announcements, removed=removed))

    def owned(self, address: str) -> tuple[str, ...]:
        """The interfaces on which the node says that it answers."""
        return self.state.owned.get(address, ())

    def counter(self, name: str, label: str) -> float:
        return self.counters.values.get(f"heraldlb_{name}", {}).get(label, 0.0)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self.socket.close()

    def _send(self, message: LinkSnapshot | LinkDelta) -> None:
        self.socket.sendall(encode(message))

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(AnyMessage)
        with contextlib.suppress(OSError), self.socket.makefile("rb") as stream:
            while header := stream.read(4):
                [length] = struct.unpack("!I", header)
                message = decoder.decode(stream.read(length))
                if isinstance(message, LinkState):
                    self.state, self.states = message, self.states + 1
                elif isinstance(message, Counters):
                    self.counters = message


class LinkWorld:
    """A switch, a node with the announcer, a client; the node's eth1 leads to the client's eth1 directly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.space = Namespaces(f"ha{uuid.uuid4().hex[:5]}-")
        # Short: the path of a Unix socket has 107 characters at most.
        self.sockets = Path(f"/tmp/{self.space.prefix.rstrip('-')}")
        self.announcer: subprocess.Popen[bytes] | None = None
        self.speakers: list[SpeakerEnd] = []

    def up(self) -> None:
        self.sockets.mkdir(mode=0o770)
        self.space.make_switch()
        self.space.plug("node", "node", 11)
        self.space.plug("cli", "cli", 50)
        self.add_cable("eth1", "eth1")
        for part, member in ((11, "node"), (50, "cli")):
            self.space.ip(member, "addr", "add", f"192.168.78.{part}/24", "dev", "eth1")
            self.space.ip(member, "addr", "add", f"fd00:78::{part}/64", "dev", "eth1", "nodad")
            self.space.run(member, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")

    def add_cable(self, node: str, client: str) -> None:
        """A veth pair between node and client."""
        names = ["peer", "name", client, "netns", self.space.name("cli")]
        run(["ip", "link", "add", node, "netns", self.space.name("node"), "type", "veth", *names])
        self.space.ip("node", "link", "set", node, "up")
        self.space.ip("cli", "link", "set", client, "up")

    def down(self) -> None:
        for speaker in self.speakers:
            speaker.close()
        self.space.kill_all()
        self.space.delete_all()
        if self.announcer is not None:
            self.announcer.wait(timeout=10)
        shutil.rmtree(self.sockets, ignore_errors=True)

    # --- the process under test

    def start(self, *flags: str) -> None:
        command = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={self.sockets}", "--log-format=json"]
        with (self.folder / "announcer.log").open("ab") as log:
            self.announcer = subprocess.Popen(
                self.space.enter("node", *_ONLY_NET_RAW, *command, *flags),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("HERALDLB_")},
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the announcer and wait until it is gone."""
        assert self.announcer is not None
        self.announcer.send_signal(number)
        return self.announcer.wait(timeout=20)

    def connect(self) -> SpeakerEnd:
        """A new connection, as a speaker that started (again) makes it."""
        path = self.sockets / "announcer.sock"
        eventually(lambda: _accepts(path), within=30, what="the announcer's socket", every=0.02)
        self.speakers.append(SpeakerEnd(path))
        return self.speakers[-1]

    def log(self) -> str:
        return (self.folder / "announcer.log").read_text()

    # --- the kernel's tools as clients

    def mac(self, member: str, interface: str = "eth0") -> str:
        words = self.space.ip(member, "-o", "link", "show", interface).split()
        return words[words.index("link/ether") + 1]

    def asks(self, address: str, interface: str = "eth0", wait: float = 1.0) -> str:
        """The MAC that answers the client's one question, "" when nobody does."""
        subnet = 77 if interface == "eth0" else 78
        if ":" in address:
            return self._solicits(address, interface, f"fd00:{subnet}::50", wait)
        source = f"192.168.{subnet}.50"
        words = ["arping", "-r", "-c", "1", "-w", f"{wait:g}", "-S", source, "-i", interface, address]
        return self.space.attempt("cli", *words).stdout.strip().lower()

    def _solicits(self, address: str, interface: str, source: str, wait: float) -> str:
        """As ndisc6 does, which however takes an unsolicited advertisement from any interface for the answer."""
        group = f"ff02::1:ff{address_bytes(address)[13:14].hex()}:{address_bytes(address)[14:16].hex()}"
        with Wire(self.space, "cli", interface) as wire:
            ether = Ether(src=wire.mac.hex(":"), dst="33:33:ff:" + address_bytes(address)[13:16].hex(":"))
            option = ICMPv6NDOptSrcLLAddr(lladdr=wire.mac.hex(":"))
            wire.send(bytes(ether / IPv6(src=source, dst=group) / ICMPv6ND_NS(tgt=address) / option))
            for frame in wire.frames(wait):
                answer = Ether(frame).getlayer(ICMPv6ND_NA)
                if answer is not None and answer.tgt == address and answer.S == 1:
                    return str(answer[ICMPv6NDOptDstLLAddr].lladdr)
        return ""

    def neighbour(self, address: str, interface: str = "eth0") -> str:
        """The client's neighbour entry, as `ip neigh` shows it."""
        return self.space.ip("cli", "neigh", "show", address, "dev", interface).strip()

    def owned(self, speaker: SpeakerEnd, *addresses: str, within: float = 10.0) -> None:
        """Wait until the announcer says that it answers for them."""
        eventually(
            lambda: all(speaker.owned(address) for address in addresses),
            within=within,
            what=f"ownership of {addresses}, not only {speaker.state.owned}",
            every=0.01,
        )


def mine(address: str, *interfaces: str, candidates: tuple[str, ...] = (NODE, "node-b")) -> LinkAnnouncement:
    """An address that this node owns, as first of the candidates."""
    return LinkAnnouncement(address=address, candidates=candidates, interfaces=interfaces or None)


def address_bytes(address: str) -> bytes:
    return ip_address(address).packed


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


VIP4, OTHER4 = f"{LAN4}.200", f"{LAN4}.201"
VIP6, OTHER6 = f"{LAN6}::200", f"{LAN6}::201"

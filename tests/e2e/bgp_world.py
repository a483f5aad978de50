"""What the BGP tests use: a node and an FRR in namespaces, the real container process, a speaker's end of its socket.

The supervisor runs as it does in the pod, without any capability. What it announces is read from FRR.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from speaker.ipc.messages import AnyMessage, BgpSnapshot, BgpState, Counters, Peer, Route, SessionState
from speaker.ipc.stream import encode
from tests.lab.namespaces import LAN4, LAN6, Namespaces
from tests.lab.shell import run
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
FRR = Path("/usr/lib/frr")
NODE4, NODE6 = f"{LAN4}.11", f"{LAN6}::11"
ROUTER4, ROUTER6 = f"{LAN4}.1", f"{LAN6}::1"
NODE_ASN, ROUTER_ASN = 64512, 64500

CONFIGURATION = f"""frr defaults datacenter
hostname router
router bgp {ROUTER_ASN}
 bgp router-id {ROUTER4}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {NODE4} remote-as {NODE_ASN}
 neighbor {NODE4} timers 3 9
 neighbor {NODE4} timers connect 1
 neighbor {NODE6} remote-as {NODE_ASN}
 neighbor {NODE6} timers 3 9
 neighbor {NODE6} timers connect 1
 address-family ipv4 unicast
  neighbor {NODE4} activate
  neighbor {NODE6} activate
 exit-address-family
 address-family ipv6 unicast
  neighbor {NODE4} activate
  neighbor {NODE6} activate
 exit-address-family
"""


class SpeakerEnd:
    """The speaker's side of bgp.sock: sends snapshots, remembers the last report."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.state = BgpState(sessions=())
        self.counters = Counters(values={})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, peers: Iterable[Peer], routes: Iterable[Route], *, for_good: bool = False) -> None:
        self.socket.sendall(encode(BgpSnapshot(peers=tuple(peers), routes=tuple(routes), for_good=for_good)))

    def session(self, name: str) -> SessionState:
        states = {state.peer: state for state in self.state.sessions}
        return states.get(name, SessionState(peer=name, up=False))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self.socket.close()

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(AnyMessage)
        with contextlib.suppress(OSError), self.socket.makefile("rb") as stream:
            while header := stream.read(4):
                [length] = struct.unpack("!I", header)
                message = decoder.decode(stream.read(length))
                if isinstance(message, BgpState):
                    self.state = message
                elif isinstance(message, Counters):
                    self.counters = message


class Router:
    """One FRR: zebra and bgpd, told apart from others by the name of its instance."""

    def __init__(self, space: Namespaces, member: str, logs: Path) -> None:
        self.space, self.member, self.logs = space, member, logs
        self.instance = space.name(member)
        self.folders = (Path("/etc/frr") / self.instance, Path("/run/frr") / self.instance)

    def start(self, configuration: str, programs: tuple[str, ...] = ("zebra", "bgpd")) -> None:
        etc, state = self.folders
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
        (etc / "frr.conf").write_text(configuration)
        (etc / "vtysh.conf").touch()
        run(["chown", "-R", "frr:frr", etc, state])
        for program in programs:
            command = [FRR / program, "-N", self.instance, "-f", etc / "frr.conf"]
            self.space.start(self.member, command, self.logs / f"{self.member}-{program}.log")
            eventually((state / f"{program}.vty").exists, within=20, what=f"{program} of {self.member}")

    def remove(self) -> None:
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def vtysh(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return self.space.run(self.member, "vtysh", "-N", self.instance, *words)

    def configure(self, *commands: str) -> None:
        self.vtysh("configure terminal", *commands)

    def routes(self, family: str = "ipv4", neighbor: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """Prefix -> paths, all of them or those from one neighbour."""
        table: dict[str, Any] = json.loads(self.vtysh(f"show bgp {family} unicast json") or "{}").get("routes", {})
        if neighbor is None:
            return table
        found = {prefix: [path for path in paths if path["peerId"] == neighbor] for prefix, paths in table.items()}
        return {prefix: paths for prefix, paths in found.items() if paths}

    def count(self, neighbor: str = NODE4, family: str = "ipv4") -> int:
        """How many routes came from the neighbour; -1 while the session is down."""
        answer = json.loads(self.vtysh(f"show bgp {family} unicast summary json"))
        peer = answer.get("peers", {}).get(neighbor, {})
        return int(peer["pfxRcd"]) if peer.get("state") == "Established" else -1

    def path(self, prefix: str, family: str = "ipv4") -> dict[str, Any]:
        """The best path of one prefix with all attributes; empty without one."""
        paths = json.loads(self.vtysh(f"show bgp {family} unicast {prefix} json") or "{}").get("paths", [])
        return dict(paths[0]) if paths else {}

    def neighbor(self, neighbor: str = NODE4) -> dict[str, Any]:
        return dict(json.loads(self.vtysh(f"show bgp neighbors {neighbor} json"))[neighbor])

    def updates_received(self, neighbor: str = NODE4) -> int:
        return int(self.neighbor(neighbor)["messageStats"]["updatesRecv"])

    def sessions_made(self, neighbor: str = NODE4) -> int:
        return int(self.neighbor(neighbor)["connectionsEstablished"])


class BgpWorld:
    """A node, a router, and the process under test on the node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.space = Namespaces(f"hb{uuid.uuid4().hex[:5]}-")
        self.router = Router(self.space, "rtr", folder)
        self.others: list[Router] = []
        # Short: the path of a Unix socket has 107 characters at most.
        self.sockets = Path(f"/tmp/{self.space.prefix.rstrip('-')}")
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.speakers: list[SpeakerEnd] = []

    def up(self, configuration: str = CONFIGURATION, programs: tuple[str, ...] = ("zebra", "bgpd")) -> None:
        self.sockets.mkdir(mode=0o770)
        self.space.make_switch()
        self.space.plug("rtr", "rtr", 1)
        self.space.plug("node", "node", 11)
        self.router.start(configuration, programs)

    def add_router(self, member: str, part: int, configuration: str) -> Router:
        self.space.plug(member, member, part)
        router = Router(self.space, member, self.folder)
        self.others.append(router)
        router.start(configuration)
        return router

    def down(self) -> None:
        for speaker in self.speakers:
            speaker.close()
        self.space.kill_all()
        self.space.delete_all()
        for router in (self.router, *self.others):
            router.remove()
        if self.supervisor is not None:
            self.supervisor.wait(timeout=10)
        shutil.rmtree(self.sockets, ignore_errors=True)

    # --- the process under test

    def start_supervisor(self, drain_seconds: float = 0.0) -> None:
        bare = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        command = [sys.executable, "-m", "speaker.bgp", f"--socket-dir={self.sockets}", "--log-format=json"]
        command.append(f"--drain-seconds={drain_seconds}")
        with (self.folder / "bgp.log").open("ab") as log:
            self.supervisor = subprocess.Popen(
                self.space.enter("node", *bare, *command),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("HERALDLB_")},
            )

    def start_announcer(self) -> None:
        """The container beside it: it sends Router Advertisements for unnumbered peers."""
        command = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={self.sockets}", "--log-format=json"]
        self.space.start("node", command, self.folder / "announcer.log", {"PYTHONPATH": str(ROOT)})

    def connect(self) -> SpeakerEnd:
        """A new connection, as a speaker that started (again) makes it."""
        path = self.sockets / "bgp.sock"
        eventually(lambda: _accepts(path), within=20, what="the supervisor's socket", every=0.02)
        self.speakers.append(SpeakerEnd(path))
        return self.speakers[-1]

    def daemon_pids(self) -> list[int]:
        return self.space.find("node", r"-m speaker\.bgp\.daemon")

    def bridge_pids(self) -> list[int]:
        return self.space.find("node", r"bridge\.py")

    def log(self) -> str:
        return (self.folder / "bgp.log").read_text()

    def stop_supervisor(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.supervisor is not None
        self.supervisor.send_signal(number)
        return self.supervisor.wait(timeout=30)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def peer(name: str = "router", address: str = ROUTER4, **changes: Any) -> Peer:
    """A plain eBGP peer towards the router."""
    given: dict[str, Any] = {
        "name": name,
        "address": address,
        "local_asn": NODE_ASN,
        "peer_asn": ROUTER_ASN,
        "router_id": NODE4,
        "hold_time": 9,
        "families": ("ipv6",) if ":" in address else ("ipv4",),
    }
    return Peer(**{**given, **changes})


def route(number: int, *peers: str, **attributes: Any) -> Route:
    """The host route of one of many addresses."""
    return Route(
        prefix=f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32",
        peers=peers or ("router",),
        **attributes,
    )


def route6(number: int, *peers: str, **attributes: Any) -> Route:
    return Route(prefix=f"fd00:200::{number >> 16:x}:{number & 0xFFFF:x}/128", peers=peers or ("router",), **attributes)

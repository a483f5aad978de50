"""What the BFD tests use: a node with the real announcer, routers with FRR's bfdd or BIRD, the supervisor's end.

    node (192.168.77.11, fd00:77::11) --- sw --- rtr (.1) --- ext (192.168.88.50, fd00:88::50)

The announcer runs as in the pod, with CAP_NET_RAW alone. What a router thinks of a session is read from the router.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speaker.ipc.bfd_client import SOCKET, BfdClient
from speaker.ipc.messages import BfdSession, BfdSessionState
from tests.lab.namespaces import LAN4, LAN6, Namespaces
from tests.lab.shell import run
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
FRR = Path("/usr/lib/frr")
NODE4, NODE6 = f"{LAN4}.11", f"{LAN6}::11"
ROUTER4, ROUTER6 = f"{LAN4}.1", f"{LAN6}::1"
FAR4, FAR6 = "192.168.88.50", "fd00:88::50"
_ONLY_NET_RAW = ["setpriv", "--no-new-privs", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--ambient-caps=-all"]


class Supervisor:
    """The BGP supervisor's end of bfd.sock: a BfdClient in a thread of its own, with everything that it was told."""

    def __init__(self, folder: Path) -> None:
        self.failures: list[tuple[float, str, str]] = []
        self.changes: list[tuple[float, BfdSessionState]] = []
        self._loop = asyncio.new_event_loop()
        self.client = BfdClient(folder, self._failed, self._changed)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def want(self, *sessions: BfdSession) -> None:
        self._loop.call_soon_threadsafe(self.client.want, sessions)

    def state(self, name: str) -> BfdSessionState:
        return self.client.states.get(name, BfdSessionState(name=name))

    def wait_up(self, *names: str, within: float = 15.0) -> None:
        eventually(
            lambda: all(self.state(name).up for name in names),
            within=within,
            what=f"sessions {names}, not {self.client.states}",
            every=0.01,
        )

    def wait_down(self, name: str, within: float) -> float:
        """Seconds until it is down."""
        began = time.monotonic()
        eventually(lambda: not self.state(name).up, within=within, what=f"the end of {name}", every=0.002)
        return time.monotonic() - began

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        task = self._loop.create_task(self.client.run())
        self._loop.run_forever()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(task)
        self._loop.close()

    def _failed(self, name: str, why: str) -> None:
        self.failures.append((time.monotonic(), name, why))

    def _changed(self, state: BfdSessionState) -> None:
        self.changes.append((time.monotonic(), state))


class Bfdd:
    """FRR's zebra and bfdd in one member."""

    def __init__(self, space: Namespaces, member: str, logs: Path) -> None:
        self.space, self.member, self.logs = space, member, logs
        self.instance = space.name(member)
        self.folders = (Path("/etc/frr") / self.instance, Path("/run/frr") / self.instance)
        self.pids: list[int] = []

    def start(self, configuration: str) -> None:
        etc, state = self.folders
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
        (etc / "frr.conf").write_text(f"frr defaults datacenter\nhostname {self.member}\n{configuration}\n")
        (etc / "vtysh.conf").touch()
        run(["chown", "-R", "frr:frr", etc, state])
        for program in ("zebra", "bfdd"):
            command = [FRR / program, "-N", self.instance, "-f", etc / "frr.conf"]
            self.pids.append(self.space.start(self.member, command, self.logs / f"{self.member}-{program}.log"))
            eventually((state / f"{program}.vty").exists, within=20, what=f"{program} of {self.member}")

    def signal(self, number: signal.Signals) -> None:
        for pid in self.space.find(self.member, r"/bfdd "):
            os.kill(pid, number)

    def vtysh(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return self.space.run(self.member, "vtysh", "-N", self.instance, *words)

    def peer(self, address: str) -> dict[str, Any]:
        """What FRR knows of the session with that peer."""
        peers: list[dict[str, Any]] = json.loads(self.vtysh("show bfd peers json"))
        return next((peer for peer in peers if peer["peer"] == address), {})

    def counters(self, address: str) -> dict[str, Any]:
        peers: list[dict[str, Any]] = json.loads(self.vtysh("show bfd peers counters json"))
        return next((peer for peer in peers if peer["peer"] == address), {})

    def wait(self, address: str, status: str, within: float = 15.0) -> None:
        eventually(lambda: self.peer(address).get("status") == status, within=within, what=f"{address} {status}")

    def remove(self) -> None:
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


class BfdWorld:
    """The namespaces and processes of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.space = Namespaces(f"hf{uuid.uuid4().hex[:5]}-")
        # Short: the path of a Unix socket has 107 characters at most.
        self.sockets = Path(f"/tmp/{self.space.prefix.rstrip('-')}")
        self.announcer: subprocess.Popen[bytes] | None = None
        self.supervisors: list[Supervisor] = []
        self.daemons: list[Bfdd] = []

    def up(self) -> None:
        self.sockets.mkdir(mode=0o770)
        self.space.make_switch()
        self.space.plug("node", "node", 11)
        self.space.plug("rtr", "rtr", 1)
        self.space.make_outside()
        self.space.forward("rtr")
        self.space.gateway("node")

    def down(self) -> None:
        for supervisor in self.supervisors:
            supervisor.close()
        self.space.kill_all()
        self.space.delete_all()
        for daemon in self.daemons:
            daemon.remove()
        if self.announcer is not None:
            self.announcer.wait(timeout=10)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def start(self) -> Supervisor:
        """The announcer, and a supervisor that is connected with it."""
        self.start_announcer()
        return self.connect()

    def start_announcer(self) -> None:
        command = [sys.executable, "-m", "speaker.announcer", f"--socket-dir={self.sockets}", "--log-format=json"]
        with (self.folder / "announcer.log").open("ab") as log:
            self.announcer = subprocess.Popen(
                self.space.enter("node", *_ONLY_NET_RAW, *command),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("HERALDLB_")},
            )

    def connect(self) -> Supervisor:
        supervisor = Supervisor(self.sockets)
        self.supervisors.append(supervisor)
        eventually(lambda: supervisor.client.connected, within=30, what=f"{SOCKET} of the announcer", every=0.02)
        return supervisor

    def end_announcer(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.announcer is not None
        self.announcer.send_signal(number)
        return self.announcer.wait(timeout=20)

    def log(self) -> str:
        return (self.folder / "announcer.log").read_text()

    def frr(self, member: str, configuration: str) -> Bfdd:
        daemon = Bfdd(self.space, member, self.folder)
        self.daemons.append(daemon)
        daemon.start(configuration)
        return daemon

    def bird(self, member: str, protocol: str) -> Callable[[str], str]:
        """BIRD with this body of its protocol bfd; returns what asks it."""
        place = self.folder / f"bird-{member}.conf"
        place.write_text(f"router id 192.0.2.1;\nprotocol device {{}}\nprotocol bfd b {{\n{protocol}\n}}\n")
        control = self.sockets / f"bird-{member}.ctl"
        command = ["bird", "-f", "-c", str(place), "-s", str(control), "-P", str(self.sockets / f"{member}.pid")]
        self.space.start(member, command, self.folder / f"bird-{member}.log")
        eventually(control.exists, within=10, what="BIRD")
        return lambda words: self.space.run(member, "birdc", "-r", "-s", str(control), words)

    def cable(self, port: str, state: str) -> None:
        """Pull or plug a cable at the switch: `down` or `up`."""
        self.space.ip("sw", "link", "set", port, state)


def session(name: str = "router", peer: str = ROUTER4, **changes: Any) -> BfdSession:
    """A session of 100 ms x 3."""
    given: dict[str, Any] = {"transmit_interval": 100, "receive_interval": 100, "detect_multiplier": 3}
    return BfdSession(name=name, peer=peer, **{**given, **changes})

"""Network namespaces of one lab, the LAN between them, and the processes inside.

Every name begins with the lab's prefix, and nothing else lives in these namespaces. So what belongs to a lab is never
remembered in a file that a crash could falsify: it is found again by prefix, and its processes by the namespace that
they are in.
"""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.shell import Result, attempt, run
from tests.lab.wait import eventually

NETNS = Path("/run/netns")
LAN4, LAN6 = "192.168.77", "fd00:77"
MEMBERS = {"rtr": 1, "cp": 5, "cli": 50}


def node_part(number: int) -> int:
    """The last part of node N's addresses: .11 for node1."""
    return 10 + number


class Namespaces:
    """The namespaces whose names begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def name(self, member: str) -> str:
        return f"{self.prefix}{member}"

    def existing(self) -> list[str]:
        """Members whose namespace exists. No member's name has a dash, so `hl-a-` does not own `hl-a-b-cp`."""
        if not NETNS.is_dir():
            return []
        found = (p.name.removeprefix(self.prefix) for p in NETNS.iterdir() if p.name.startswith(self.prefix))
        return sorted(member for member in found if "-" not in member)

    def enter(self, member: str, *command: str | Path) -> list[str]:
        """The command line that runs `command` there; `ip netns exec` would remount /sys, and runc find no cgroups."""
        return ["nsenter", f"--net={NETNS / self.name(member)}", *map(str, command)]

    def run(self, member: str, *command: str | Path, timeout: float = 120, input: str | None = None) -> str:
        return run(self.enter(member, *command), timeout=timeout, input=input)

    def attempt(self, member: str, *command: str | Path, timeout: float = 120) -> Result:
        return attempt(self.enter(member, *command), timeout=timeout)

    def ip(self, member: str, *words: str) -> str:
        return run(["ip", "-n", self.name(member), *words])

    def start(self, member: str, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> int:
        """Start a program there that outlives us; its output goes to `log`. Returns its PID."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                self.enter(member, *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=log.parent,
                env={**os.environ, **(env or {})},
            )
        _children.append(child)
        return child.pid

    # --- making

    def make(self, member: str) -> None:
        run(["ip", "netns", "add", self.name(member)])
        self.ip(member, "link", "set", "lo", "up")

    def make_switch(self) -> None:
        """The LAN: a bridge in a namespace of its own, where tcpdump sees everything and a cable can be pulled."""
        self.make("sw")
        self.ip("sw", "link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
        self.ip("sw", "link", "set", "lan", "up")

    def plug(self, member: str, port: str, part: int) -> None:
        """Give `member` an interface eth0 on the LAN; `port` is the switch's end of the cable."""
        self.make(member)
        peer = ["peer", "name", "eth0", "netns", self.name(member)]
        run(["ip", "link", "add", port, "netns", self.name("sw"), "type", "veth", *peer])
        self.ip("sw", "link", "set", port, "master", "lan", "up")
        self.ip(member, "link", "set", "eth0", "up")
        self.ip(member, "addr", "add", f"{LAN4}.{part}/24", "dev", "eth0")
        self.ip(member, "addr", "add", f"{LAN6}::{part}/64", "dev", "eth0", "nodad")

    def gateway(self, member: str) -> None:
        self.ip(member, "route", "add", "default", "via", f"{LAN4}.1")
        self.ip(member, "-6", "route", "add", "default", "via", f"{LAN6}::1")

    def make_outside(self) -> None:
        """The host `ext` behind the router."""
        self.make("ext")
        peer = ["peer", "name", "eth0", "netns", self.name("ext")]
        run(["ip", "link", "add", "ext0", "netns", self.name("rtr"), "type", "veth", *peer])
        for member, device, part in (("rtr", "ext0", 1), ("ext", "eth0", 50)):
            self.ip(member, "link", "set", device, "up")
            self.ip(member, "addr", "add", f"192.168.88.{part}/24", "dev", device)
            self.ip(member, "addr", "add", f"fd00:88::{part}/64", "dev", device, "nodad")
        self.ip("ext", "route", "add", "default", "via", "192.168.88.1")
        self.ip("ext", "-6", "route", "add", "default", "via", "fd00:88::1")

    def forward(self, member: str) -> None:
        self.run(member, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    # --- processes

    def processes(self, member: str | None = None) -> dict[int, str]:
        """PID -> command line of everything that runs in the namespace `member`, or in any of the lab."""
        places = self._places(self.existing() if member is None else [member])
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (words := _words(int(entry.name), places)) is not None:
                found[int(entry.name)] = words
        return found

    def _places(self, members: list[str]) -> dict[int, str]:
        """Inode -> path of the namespaces that exist."""
        paths = [NETNS / self.name(member) for member in members]
        return {path.stat().st_ino: f"{path}" for path in paths if path.exists()}

    def find(self, member: str, pattern: str) -> list[int]:
        """PIDs in `member` whose command line matches the regular expression; nsenter and unshare are not meant."""
        found = self.processes(member).items()
        return [
            pid for pid, words in found if re.search(pattern, words) and not words.startswith(("nsenter", "unshare"))
        ]

    def signal(self, member: str, pattern: str, number: signal.Signals) -> list[int]:
        pids = self.find(member, pattern)
        for pid in pids:
            os.kill(pid, number)
        return pids

    def kill_all(self) -> None:
        """End every process of the lab, and wait until they are gone."""

        def gone() -> bool:
            pids = self.processes()
            for pid in pids:
                self._kill(pid)
            return not pids

        eventually(gone, within=30, what=f"the end of the processes in {self.prefix}*", every=0.05)

    def _kill(self, pid: int) -> None:
        """Kill it if it is the lab's; the descriptor names one process for ever, so no recycled PID is hit."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if _words(pid, self._places(self.existing())) is not None:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)

    def delete_all(self) -> None:
        for member in self.existing():
            run(["ip", "netns", "del", self.name(member)])


def _words(pid: int, places: dict[int, str]) -> str | None:
    """The command line of a process that is in one of the namespaces, or about to enter one; else None."""
    entry = Path(f"/proc/{pid}")
    try:
        words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        ours = (entry / "ns" / "net").stat().st_ino in places
    except OSError:
        return None  # it ended while we looked
    entering = words.startswith("nsenter ") and any(f"--net={path} " in words for path in places.values())
    return words if (ours or entering) and not is_zombie(pid) else None


_children: list[subprocess.Popen[bytes]] = []  # polled, so that the ended ones do not stay as zombies


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent (PID 1 may never reap it here)."""
    for child in _children:
        child.poll()
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rsplit(")", 1)[1].split()[0] == "Z"

"""What can be done to a lab: cut cables, drop and delay frames, kill and freeze programs, stop the API server."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.namespaces import LAN4, Namespaces
from tests.lab.wait import eventually

if TYPE_CHECKING:
    from tests.lab.control_plane import ControlPlane
    from tests.lab.node import Node

TABLE = "lab_faults"
RELAY = Path(__file__).with_name("relay.py")


class Faults:
    """The faults of a Lab; every method returns when the fault is in force."""

    space: Namespaces
    folder: Path

    def node(self, name: str) -> "Node":
        raise NotImplementedError

    @property
    def control_plane(self) -> "ControlPlane":
        raise NotImplementedError

    def port(self, member: str) -> str:
        """The switch's end of the member's cable."""
        return member.replace("node", "n") if member.startswith("node") else member

    def cut_link(self, member: str) -> None:
        self.space.ip("sw", "link", "set", self.port(member), "down")

    def restore_link(self, member: str) -> None:
        self.space.ip("sw", "link", "set", self.port(member), "up")

    def partition(self, sender: str, receiver: str, *, both: bool = True) -> None:
        """Drop what goes from `sender` to `receiver`; `both`: and what goes back."""
        pairs = [(sender, receiver), (receiver, sender)] if both else [(sender, receiver)]
        chain = "{ type filter hook forward priority 0; }"
        self.space.run("sw", "nft", f"add table bridge {TABLE}; add chain bridge {TABLE} pairs {chain}")
        for here, there in pairs:
            rule = f"iifname {self.port(here)} oifname {self.port(there)} drop"
            self.space.run("sw", "nft", f"add rule bridge {TABLE} pairs {rule}")

    def heal_partitions(self) -> None:
        self.space.attempt("sw", "nft", f"delete table bridge {TABLE}")

    def lose(self, member: str, percent: int) -> None:
        """Lose that share of the frames that arrive at the member; 0 ends it."""
        self.space.attempt(member, "nft", f"delete table netdev {TABLE}")
        if percent:
            chain = '{ type filter hook ingress device "eth0" priority 0; }'
            rule = f"numgen random mod 100 < {percent} drop"
            made = (
                f"add table netdev {TABLE}; add chain netdev {TABLE} loss {chain}; add rule netdev {TABLE} loss {rule}"
            )
            self.space.run(member, "nft", made)

    def delay(self, member: str, milliseconds: int) -> None:
        """Delay frames from and to the member, each way; until undelay. Partitions do not see a delayed member."""
        port = self.port(member)
        self.space.ip("sw", "link", "set", port, "nomaster")
        self.space.ip("sw", "link", "add", f"late-{port}", "type", "veth", "peer", "name", f"lan-{port}")
        self.space.ip("sw", "link", "set", f"lan-{port}", "master", "lan", "up")
        self.space.ip("sw", "link", "set", f"late-{port}", "up")
        # What the program reads must have its checksum, and be no larger than the cable carries.
        for place, device in ((member, "eth0"), ("sw", f"lan-{port}")):
            self.space.run(place, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off")
        command: list[str | Path] = [sys.executable, RELAY, port, f"late-{port}", str(milliseconds)]
        self.space.start("sw", command, self.folder / f"relay-{port}.log")
        address = f"{LAN4}.1" if member != "rtr" else f"{LAN4}.5"
        probe = ("ping", "-c", "1", "-W", "5", address)
        eventually(lambda: self.space.attempt(member, *probe).returncode == 0, within=20, what="an answer, delayed")

    def undelay(self, member: str) -> None:
        port = self.port(member)
        self.space.signal("sw", rf"relay\.py {port} ", signal.SIGKILL)
        self.space.ip("sw", "link", "del", f"late-{port}")
        self.space.ip("sw", "link", "set", port, "master", "lan")
        self.space.run(member, "ethtool", "-K", "eth0", "tx", "on", "tso", "on", "gso", "on")

    def stop_api_server(self) -> None:
        """Kill the API server; etcd keeps the state."""
        self.control_plane.stop_api_server()

    def start_api_server(self) -> None:
        self.control_plane.start_api_server()

    def freeze(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)

    def crash(self, name: str) -> None:
        """Cut the node's power."""
        self.node(name).crash()

    def boot(self, name: str) -> None:
        self.node(name).boot()

    def restart_kubelet(self, name: str) -> None:
        """Kill kubelet; the node's init starts it again."""
        self.space.signal(name, "/kubelet ", signal.SIGKILL)

    def restart_containerd(self, name: str) -> None:
        self.space.signal(name, "^containerd ", signal.SIGKILL)

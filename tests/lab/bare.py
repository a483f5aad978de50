"""Nodes without kubelets: HeraldLB's processes in a namespace each, as an operator starts them by hand.

The cheap mode of the lab: 20 nodes cost what two real ones do, and start in half a minute. The API server knows them as
Nodes that are Ready; pods and what kubelets write are the test's to make. The announcer is root with CAP_NET_RAW alone,
the others have no capability, as in the chart.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.lab.namespaces import LAN4, LAN6, Namespaces, node_part
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
MOST = 39  # addresses up to .49; .50 is the client
PROGRAMS = ("speaker.announcer", "speaker.bgp", "speaker")
_NO_CAPABILITY = "--bounding-set=-all"
_ONLY_NET_RAW = "--bounding-set=-all,+net_raw"


class BareNode:
    """Node number `number` (from 1); its sockets and snapshots are in `folder`."""

    def __init__(self, space: Namespaces, lab_folder: Path, number: int) -> None:
        self.space, self.lab_folder, self.number = space, lab_folder, number
        self.name = f"node{number}"
        self.port = f"n{number}"
        self.folder = lab_folder / self.name

    def objects(self) -> list[dict[str, Any]]:
        """The Node as a kubelet would make it, then its status."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}
        part = node_part(self.number)
        addresses = [{"type": "InternalIP", "address": f"{lan}{part}"} for lan in (f"{LAN4}.", f"{LAN6}::")]
        conditions = [{"type": "Ready", "status": "True", "reason": "Lab", "message": "started by the lab"}]
        return [node, {**node, "status": {"addresses": addresses, "conditions": conditions}}]

    def start(self, kubeconfig: Path, *programs: str) -> None:
        """Start these of PROGRAMS (all, when none is named)."""
        self.folder.mkdir(exist_ok=True)
        for program in programs or PROGRAMS:
            flags = [f"--socket-dir={self.folder}", "--log-format=json"]
            if program == "speaker":
                flags += [f"--node-name={self.name}", f"--kubeconfig={kubeconfig}"]
                flags += ["--kube-proxy-health=", "--local-health-wait=0"]  # there is no kube-proxy
            bounding = _ONLY_NET_RAW if program == "speaker.announcer" else _NO_CAPABILITY
            bare = ["setpriv", "--no-new-privs", bounding, "--inh-caps=-all", "--ambient-caps=-all"]
            log = self.lab_folder / f"{self.name}-{program}.log"
            self.space.start(self.name, [*bare, sys.executable, "-m", program, *flags], log, {"PYTHONPATH": f"{ROOT}"})

    def ready(self) -> bool:
        page = ("curl", "-s", "-m", "2", "--noproxy", "*", "http://127.0.0.1:9471/readyz")
        return self.space.attempt(self.name, *page).stdout == "ok\n"

    def pids(self, program: str) -> list[int]:
        return self.space.find(self.name, rf"-m {program.replace('.', '[.]')} ")

    def end(self, program: str, number: signal.Signals = signal.SIGTERM, within: float = 30) -> None:
        """Signal one program and wait until it is gone."""
        self.space.signal(self.name, rf"-m {program.replace('.', '[.]')} ", number)
        eventually(lambda: not self.pids(program), within=within, what=f"the end of {program} on {self.name}")


def as_list(nodes: list[BareNode], which: int) -> str:
    """The Nodes (0), or the same with their status (1), as one manifest."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [node.objects()[which] for node in nodes]})

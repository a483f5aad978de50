"""A speaker as a process against a real API server; the test stands where announcer and BGP supervisor stand."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from speaker.ipc.messages import AnyMessage, BgpSnapshot, LinkAnnouncement, LinkDelta, LinkSnapshot
from speaker.ipc.stream import Peer, Server
from tests.lab.lab import Lab
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
SYSTEM = "heraldlb-system"
Item = dict[str, Any]


class Ear:
    """Listens on the two sockets: all that was said, and the picture that follows from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[AnyMessage] = []
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: dict[str, Server] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(self) -> None:
        self._in_loop(self._listen())
        for name in ("announcer.sock", "bgp.sock"):
            eventually((self.folder / name).exists, within=5, what=f"the socket {name}")

    def hang_up(self) -> None:
        """End both servers, as when their processes die."""
        self._in_loop(self._hang_up())

    def close(self) -> None:
        self.hang_up()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def forget(self) -> None:
        self.said.clear()

    def tell(self, name: str, message: AnyMessage) -> None:
        self._loop.call_soon_threadsafe(self._servers[name].send, message)

    async def _listen(self) -> None:
        for name in ("announcer.sock", "bgp.sock"):
            self._servers[name] = Server(self.folder / name, self.said.append, self._on_connect)
            self._tasks.append(asyncio.create_task(self._servers[name].serve()))

    async def _hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _on_connect(self, _: Peer) -> None:
        self.connections += 1

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    # --- what was said

    @property
    def link(self) -> dict[str, LinkAnnouncement] | None:
        """The announcements as an announcer knows them now; None before the first snapshot."""
        picture: dict[str, LinkAnnouncement] | None = None
        for message in list(self.said):
            if isinstance(message, LinkSnapshot):
                picture = {entry.address: entry for entry in message.announcements}
            elif isinstance(message, LinkDelta):
                assert picture is not None, "a change was told before the whole"
                picture = {key: value for key, value in picture.items() if key not in message.removed}
                picture |= {entry.address: entry for entry in message.changed}
        return picture

    @property
    def announced(self) -> set[str]:
        return set(self.link or {})

    @property
    def routes(self) -> list[BgpSnapshot]:
        return [message for message in list(self.said) if isinstance(message, BgpSnapshot)]

    @property
    def snapshots(self) -> list[LinkSnapshot]:
        return [message for message in list(self.said) if isinstance(message, LinkSnapshot)]


class Speaker:
    """The process `python -m speaker` of node n1."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.log = lab.folder / f"speaker-{folder.name}.log"

    def start(self, *arguments: str, node: str = "n1") -> None:
        words = [
            "-m",
            "speaker",
            f"--node-name={node}",
            f"--socket-dir={self.folder}",
            f"--kubeconfig={self.lab.kubeconfig}",
            "--metrics-host=127.0.0.1",
            "--kube-proxy-health=",  # there is none
            "--local-health-wait=0",
            *arguments,
        ]
        self.lab.space.start("cp", [sys.executable, *words], self.log, {"PYTHONPATH": str(ROOT)})

    def pids(self) -> list[int]:
        return self.lab.space.find("cp", "-m speaker ")

    def end(self, number: signal.Signals = signal.SIGTERM, within: float = 3) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        eventually(lambda: not self.pids(), within=within, what=f"the speaker ends on {number.name}")

    def page(self, name: str) -> str:
        url = f"http://127.0.0.1:9471/{name}"
        return self.lab.try_run("cp", "curl", "-s", "-m", "2", "--noproxy", "*", url).stdout

    def metric(self, name: str) -> float | None:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.page("metrics"), re.MULTILINE)
        return float(found[1]) if found else None

    def events(self) -> list[str]:
        """The events that it logged, without those of the time before."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line).get("event", "") for line in lines if line.startswith("{")]


class Facts:
    """Objects of the API that a controller, kubelets and kube-controller-manager would write."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab, self.namespace = lab, namespace

    def apply(self, *items: Item) -> None:
        self.lab.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def ours(self, kind: str, name: str, spec: Item) -> None:
        self.apply({"apiVersion": "heraldlb.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec})

    def node(self, name: str, *, ready: bool = True) -> None:
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        address = {"type": "InternalIP", "address": f"192.168.77.1{name[-1]}"}
        self.status("node", name, {"conditions": [condition], "addresses": [address]})

    def status(self, kind: str, name: str, status: Item) -> None:
        patch = json.dumps({"status": status})
        words = ("-n", self.namespace, "patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)
        self.lab.kubectl(*words)

    def service(self, name: str, *addresses: str, nodes: tuple[str, ...] = ("n1",), **spec: Any) -> None:
        """A Service that has these addresses, and an endpoint on each of the nodes."""
        self.load_balancer(name, **spec)
        self.endpoints(name, *nodes)
        self.status("service", name, {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}})

    def load_balancer(self, name: str, **spec: Any) -> None:
        """A Service of type LoadBalancer without a selector."""
        metadata = {"name": name, "namespace": self.namespace}
        found = {"type": "LoadBalancer", "ports": [{"port": 80}], **spec}
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": found})

    def endpoints(self, name: str, *nodes: str) -> None:
        entries = [
            {"addresses": [f"10.244.0.{number}"], "nodeName": node, "conditions": {"ready": True}}
            for number, node in enumerate(nodes, 1)
        ]
        labels = {"kubernetes.io/service-name": name}
        self.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-1", "namespace": self.namespace, "labels": labels},
                "addressType": "IPv4",
                "ports": [{"port": 8080}],
                "endpoints": entries,
            }
        )

    def delete(self, kind: str, *names: str) -> None:
        self.lab.kubectl("-n", self.namespace, "delete", kind, "--ignore-not-found", *names)


@contextlib.contextmanager
def frozen_controllers(lab: Lab) -> Iterator[None]:
    """Nobody but the test writes Nodes and EndpointSlices: kube-controller-manager would miss the kubelets."""
    lab.space.signal("cp", "/kube-controller-manager ", signal.SIGSTOP)
    try:
        yield
    finally:
        lab.space.signal("cp", "/kube-controller-manager ", signal.SIGCONT)

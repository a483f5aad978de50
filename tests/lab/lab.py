"""One lab: a real Kubernetes in network namespaces, with a LAN, a client, a router and a host behind it.

    sw    the switch: bridge `lan`, one port per machine (rtr cp cli n1 n2 ...)
    rtr   192.168.77.1  fd00:77::1   router (FRR)          ext   192.168.88.50 fd00:88::50  host behind it
    cp    192.168.77.5  fd00:77::5   control plane         cli   192.168.77.50 fd00:77::50  client on the LAN
    nodeN 192.168.77.1N fd00:77::1N  pods 10.244.N.0/24 fd00:244:N::/64

`up` first removes what a killed run left; `down` finds everything by the lab's prefix, so it needs no record of what
was made.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.lab import bare, images, packages, programs
from tests.lab.bare import BareNode
from tests.lab.control_plane import ControlPlane
from tests.lab.faults import Faults
from tests.lab.namespaces import MEMBERS, Namespaces, node_part
from tests.lab.node import Node, remove_cgroups
from tests.lab.pki import Pki
from tests.lab.router import Router
from tests.lab.shell import LabError, Result, attempt, run
from tests.lab.wait import eventually


class Lab(Faults):
    """A lab by its name; several may run at once. Attaches to a running one of that name."""

    def __init__(self, name: str = "default") -> None:
        if not re.fullmatch("[a-z0-9]{1,12}", name):
            raise LabError(f"the lab's name {name!r} must be 1 to 12 lower-case letters and digits")
        self.name = name
        self.space = Namespaces(f"hl-{name}-")
        self.folder = programs.cache() / "labs" / name
        self.router = Router(self.space, self.folder)
        self._begin = time.monotonic()

    # --- life

    def up(self, *, nodes: int = 3, bare_nodes: int = 0, router: bool = True, controllers: bool = True) -> None:
        """Start the lab; `nodes` 0 is the API-only lab, which may have bare nodes (see bare.py). Raises LabError."""
        self._begin = time.monotonic()
        if os.geteuid() != 0:
            raise LabError("the lab needs root, for network namespaces; run it as root")
        if bare_nodes and nodes:
            raise LabError("a lab has either nodes with kubelets or bare ones; give one of the two numbers")
        if bare_nodes > bare.MOST:
            raise LabError(f"{bare_nodes} bare nodes are too many for the lab's LAN; {bare.MOST} are the most")
        packages.install()
        self.down()
        wanted = programs.CLUSTER if nodes else programs.API_ONLY
        binaries = programs.build([*wanted, "helm"])
        archives = images.workloads() if nodes else []
        self.folder.mkdir(parents=True)
        facts = {"nodes": nodes, "bare_nodes": bare_nodes, "router": router, "binaries": str(binaries)}
        (self.folder / "lab.json").write_text(json.dumps(facts))
        self._say("network")
        self._make_network(router=router)
        Pki(self.folder).create(self.node_names)
        self._say("control plane")
        self.control_plane.start()
        if controllers or nodes:
            self.control_plane.start_controllers(scheduler=nodes > 0, watch_nodes=not bare_nodes)
            self._await_account()
        if router:
            self._say("router")
            self.router.start()
        if nodes:
            self._boot_nodes(archives)
        self._say("ready")

    def _boot_nodes(self, archives: list[Path]) -> None:
        self._say(f"{len(self.nodes)} nodes")
        self._each_node(Node.write_files)
        self._each_node(Node.boot)
        for archive in archives:
            self._each_node(lambda node, archive=archive: node.load(archive))  # type: ignore[misc]
        # docs/examples name busybox as users do.
        self._each_node(lambda node: node.name_image("localhost/bb:1", "docker.io/library/busybox:1.36"))
        self.wait_nodes_ready()

    def start_speakers(self, within: float = 180) -> None:
        """Apply the CRDs, register the bare nodes, start HeraldLB's processes on each; returns when all are ready."""
        self._say(f"speakers on {len(self.bare_nodes)} bare nodes")
        self.apply_crds()
        self.kubectl("apply", "--server-side", "-f", "-", input=bare.as_list(self.bare_nodes, 0))
        self.kubectl("replace", "--subresource=status", "-f", "-", input=bare.as_list(self.bare_nodes, 1))
        for node in self.bare_nodes:
            node.start(self.kubeconfig)
        for node in self.bare_nodes:
            eventually(node.ready, within=within, what=f"the speaker of {node.name} is ready", every=0.2)
        self._say("all speakers ready")

    def apply_crds(self) -> None:
        """Our CRDs, established."""
        self.kubectl("apply", "-f", str(images.ROOT / "crds"))
        names = self.kubectl("get", "crd", "-o", "name").split()
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)

    def down(self) -> None:
        """Remove everything of this lab, also what a killed `up` left."""
        self.space.kill_all()
        remove_cgroups(self.space.prefix)
        self.space.delete_all()
        self.router.remove()
        if self.folder.exists():
            self.folder.rename(self.folder.with_name(f".gone-{self.name}-{os.getpid()}-{time.monotonic_ns()}"))
        if gone := self.vanishing():
            # Deleting unpacked images takes long: out of the way at once, the rest behind our back. It holds none of
            # our pipes, or who reads what we print would wait for its end.
            command = ["setsid", "-f", "nice", "-n", "19", "rm", "-rf", *map(str, gone)]
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )

    def vanishing(self) -> list[Path]:
        """Folders of this lab that are still being deleted; a killed deletion goes on with the next `down`."""
        return sorted(self.folder.parent.glob(f".gone-{self.name}-*"))

    @property
    def running(self) -> bool:
        return (self.folder / "lab.json").exists() and bool(self.space.existing())

    def _make_network(self, *, router: bool) -> None:
        self.space.make_switch()
        for member, part in MEMBERS.items():
            self.space.plug(member, member, part)
        every: list[Node | BareNode] = [*self.nodes, *self.bare_nodes]
        for node in every:
            self.space.plug(node.name, node.port, node_part(node.number))
        for member in ("cp", "cli", *self.node_names):
            self.space.gateway(member)
        for member in ("rtr", *self.node_names):
            self.space.forward(member)
        for node in self.nodes:
            self._route_pods(node)
        if router:
            self.space.make_outside()

    def _route_pods(self, node: Node) -> None:
        part, number = node_part(node.number), node.number
        for member in ("cp", "rtr", "cli", *self.node_names):
            if member != node.name:
                self.space.ip(member, "route", "add", f"10.244.{number}.0/24", "via", f"192.168.77.{part}")
                self.space.ip(member, "-6", "route", "add", f"fd00:244:{number}::/64", "via", f"fd00:77::{part}")

    def _await_account(self) -> None:
        def made() -> bool:
            return self.try_kubectl("get", "serviceaccount", "default").returncode == 0

        eventually(made, within=60, what="the ServiceAccount `default` (without it no pod can be created)")

    def _say(self, what: str) -> None:
        print(f"[{time.monotonic() - self._begin:5.1f} s] lab {self.name}: {what}", file=sys.stderr, flush=True)

    # --- parts

    @property
    def facts(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "lab.json").read_text())
        except FileNotFoundError:
            raise LabError(f"there is no lab {self.name!r}; start it with: python -m tests.lab up") from None
        return found

    @property
    def binaries(self) -> Path:
        return Path(self.facts["binaries"])

    @property
    def control_plane(self) -> ControlPlane:
        return ControlPlane(self.space, self.folder, self.binaries)

    @property
    def nodes(self) -> list[Node]:
        count, binaries = int(self.facts["nodes"]), self.binaries
        return [Node(self.space, self.folder, binaries, number) for number in range(1, count + 1)]

    @property
    def bare_nodes(self) -> list[BareNode]:
        count = int(self.facts["bare_nodes"])
        return [BareNode(self.space, self.folder, number) for number in range(1, count + 1)]

    @property
    def node_names(self) -> list[str]:
        return [node.name for node in self.nodes] + [node.name for node in self.bare_nodes]

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def node_address(self, name: str) -> str:
        return self.node(name).address()

    def node_macs(self) -> dict[str, str]:
        """MAC address of eth0 -> node."""
        links = {name: json.loads(self.space.ip(name, "-j", "link", "show", "eth0")) for name in self.node_names}
        return {str(link[0]["address"]): name for name, link in links.items()}

    @property
    def kubeconfig(self) -> Path:
        return Pki(self.folder).kubeconfig("admin")

    def _each_node(self, work: Callable[[Node], object]) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(work, self.nodes))

    # --- tools

    def run(self, member: str, *command: str | Path, timeout: float = 120) -> str:
        return self.space.run(member, *command, timeout=timeout)

    def try_run(self, member: str, *command: str | Path, timeout: float = 120) -> Result:
        return self.space.attempt(member, *command, timeout=timeout)

    def try_node(self, name: str, *command: str | Path) -> Result:
        return self.node(name).attempt(*command)

    def kubectl(self, *words: str, input: str | None = None, timeout: float = 200) -> str:
        return run(self._kubectl(words), input=input, timeout=timeout)

    def try_kubectl(self, *words: str, input: str | None = None) -> Result:
        return attempt(self._kubectl(words), input=input)

    def _kubectl(self, words: tuple[str, ...]) -> list[str]:
        return self.space.enter("cp", self.binaries / "kubectl", f"--kubeconfig={self.kubeconfig}", *words)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))
        return found

    def helm(self, *words: str, timeout: float = 300) -> str:
        command, environment = self._helm(words)
        return run(command, env=environment, timeout=timeout)

    def try_helm(self, *words: str, timeout: float = 300) -> Result:
        command, environment = self._helm(words)
        return attempt(command, env=environment, timeout=timeout)

    def _helm(self, words: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        homes = {f"HELM_{kind}_HOME": str(self.folder / "helm") for kind in ("CACHE", "CONFIG", "DATA")}
        return self.space.enter("cp", self.binaries / "helm", "--kubeconfig", self.kubeconfig, *words), homes

    def vtysh(self, *commands: str) -> str:
        return self.router.vtysh(*commands)

    def wait_nodes_ready(self, within: float = 120) -> None:
        def ready() -> bool:
            result = self.try_kubectl("get", "nodes", "--no-headers")
            return len([line for line in result.stdout.splitlines() if line.split()[1] == "Ready"]) == len(self.nodes)

        eventually(ready, within=within, what="all nodes Ready", every=0.2)

    # --- HeraldLB

    def load_image(self) -> str:
        """Build HeraldLB's image from the checkout and give it to every node; returns its name."""
        if not self.nodes:
            raise LabError(f"the lab {self.name} has no nodes that could hold an image; start it without --api-only")
        image = images.image()
        record = self.folder / "layers.json"
        held: set[str] = set(json.loads(record.read_text())) if record.exists() else set()
        out = self.folder / "image.tar"
        image.write(out, held)
        self._each_node(lambda node: node.load(out))
        record.write_text(json.dumps(sorted(held | image.digests())))
        out.unlink()
        return image.name

    def install_chart(self, *arguments: str) -> None:
        """Package the chart, install or upgrade it with the checkout's image, and wait until everything is ready."""
        repository, _, tag = self.load_image().rpartition(":")
        values = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
        sets = [word for key, value in values.items() for word in ("--set", f"image.{key}={value}")]
        where = ["-n", "heraldlb-system", "--create-namespace", "--wait", "--timeout", "240s"]
        self.helm("package", str(images.ROOT / "charts" / "heraldlb"), "--destination", str(self.folder))
        [package] = self.folder.glob("heraldlb-*.tgz")
        self.helm("upgrade", "--install", "heraldlb", str(package), *where, *sets, *arguments)

    @contextlib.contextmanager
    def process(self, member: str, *command: str | Path, env: dict[str, str] | None = None) -> Iterator[int]:
        """A program that runs in a namespace for the length of the block; yields its PID."""
        log = self.folder / f"process-{time.monotonic_ns()}.log"
        pid = self.space.start(member, command, log, env)
        try:
            yield pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

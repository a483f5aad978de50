"""The main job, shown step by step on a real Kubernetes: `make demo`; `KEEP=1` leaves it running.

The manifests are those of docs/examples, unchanged, and the commands are those of docs/tutorials/first-address.md; a
test compares them. What is shown comes from the network: who answers ARP is asked on the wire by the client, routes are
read from the router, answers are fetched by curl.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from tests.lab import images
from tests.lab.lab import Lab
from tests.lab.shell import LabError
from tests.lab.wait import NotWithin, eventually

NAME = "demo"
NAMESPACE = "heraldlb-system"
QUIET_SECONDS = 10.0


class Demo:
    """The story that is told; `lab` is running when it begins."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.begin = time.monotonic()
        self.steps = 0
        self.summary: list[tuple[str, str]] = []

    # --- telling

    def step(self, title: str) -> None:
        self.steps += 1
        print(f"\n[{time.monotonic() - self.begin:6.1f} s] {self.steps}. {title}", flush=True)

    def say(self, text: str) -> None:
        print(textwrap.indent(text.rstrip(), " " * 11), flush=True)

    def note(self, what: str, value: str) -> None:
        """A line of the closing table, said now too."""
        self.summary.append((what, value))
        self.say(f"=> {what}: {value}")

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A sign of life every few seconds, for steps that may take long."""
        ended, begin = threading.Event(), time.monotonic()

        def tick() -> None:
            while not ended.wait(QUIET_SECONDS):
                self.say(f"... {what}, {time.monotonic() - begin:.0f} s so far")

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    # --- doing, as a user would

    def kubectl(self, command: str) -> str:
        self.say(f"$ kubectl {command}")
        with self.waiting("kubectl"):
            output = self.lab.kubectl(*shlex.split(command))
        self.say(output)
        return output

    def curl(self, member: str, address: str, within: float = 30) -> str:
        """The answer of http://ADDRESS/ as a host of the lab gets it."""
        command = ("curl", "-s", "-m", "1", "--noproxy", "*", f"http://{address}/")
        found: list[str] = []

        def ask() -> bool:
            result = self.lab.try_run(member, *command)
            found[:] = [result.stdout.strip()] if result.returncode == 0 and result.stdout.strip() else []
            return bool(found)

        eventually(ask, within=within, what=f"an answer of http://{address}/ to {member}")
        return found[0]

    def show_curl(self, member: str, address: str) -> None:
        answer = self.curl(member, address)
        self.say(f"{member}$ curl http://{address}/")
        self.say(f"{answer}     <- the pod's name, and who it thinks has asked")

    def arp_owners(self, address: str, seconds: float = 0.5) -> set[str]:
        """The nodes that answer the client's ARP request; a foreign MAC address stands for itself."""
        output = self.lab.try_run("cli", "arping", "-I", "eth0", "-c", "1", "-w", f"{seconds}", address).stdout
        macs = {mac.lower() for mac in re.findall(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", output)}
        known = self.lab.node_macs()
        return {known.get(mac, mac) for mac in macs}

    def owner(self, address: str) -> str:
        eventually(lambda: len(self.arp_owners(address)) == 1, within=20, what=f"one ARP answer for {address}")
        [owner] = self.arp_owners(address)
        return owner

    def address(self, service: str) -> str:
        """The Service's address, as soon as it is there."""
        found: list[str] = []

        def read() -> bool:
            status = self.lab.get("service", service).get("status", {})
            found[:] = [entry["ip"] for entry in status.get("loadBalancer", {}).get("ingress", [])]
            return bool(found)

        begin = time.monotonic()
        eventually(read, within=30, what=f"an address of Service {service}")
        self.note(f"address of Service {service}", f"{found[0]}, after {time.monotonic() - begin:.1f} s")
        return found[0]

    def next_hops(self, address: str) -> list[str]:
        """The next hops of the host route in the router's kernel."""
        routes = json.loads(self.lab.run("rtr", "ip", "-j", "route", "show", f"{address}/32") or "[]")
        hops = [hop for route in routes for hop in route.get("nexthops", [route])]
        return sorted(str(hop["gateway"]) for hop in hops if "gateway" in hop)

    # --- the steps

    def install(self) -> None:
        self.step("Install HeraldLB with Helm: image of this checkout, chart charts/heraldlb")
        self.say(f"$ helm install heraldlb charts/heraldlb --namespace {NAMESPACE} --create-namespace --wait")
        with self.waiting("building the image, loading it into the nodes, starting the pods"):
            self.lab.install_chart()
        self.kubectl(f"get pods --namespace {NAMESPACE} --output wide")

    def first_address(self) -> str:
        self.step("A pool of addresses on the LAN, and how to announce them")
        self.kubectl("apply -f docs/examples/pool.yaml -f docs/examples/l2advertisement.yaml")
        self.step("Three pods, and a Service of type LoadBalancer")
        self.kubectl("apply -f docs/examples/web.yaml")
        self.kubectl("rollout status deployment/web --timeout=120s")
        self.kubectl("apply -f docs/examples/service.yaml")
        address = self.address("web")
        self.kubectl("get service web")
        self.step(f"Who answers for {address} on the LAN?")
        owner = self.owner(address)
        self.say(f"cli$ arping -I eth0 -c 1 {address}")
        self.note("owner on layer 2", f"{owner}, by its answer to ARP")
        self.show_curl("cli", address)
        return address

    def routed_address(self) -> None:
        self.step("A second pool, announced by BGP to the router")
        self.kubectl("apply -f docs/examples/bgp-pool.yaml -f docs/examples/bgppeer.yaml")
        self.kubectl("apply -f docs/examples/bgpadvertisement.yaml -f docs/examples/bgp-service.yaml")
        address = self.address("web-routed")
        nodes = len(self.lab.node_names)
        begin = time.monotonic()
        with self.waiting("BGP sessions and the route"):
            eventually(lambda: len(self.next_hops(address)) == nodes, within=60, what=f"{nodes} next hops of {address}")
        elapsed = time.monotonic() - begin
        self.say(f"router$ vtysh -c 'show ip route {address}'")
        self.say(self.lab.vtysh(f"show ip route {address}"))
        self.note("route at the router", f"{address}/32 by {', '.join(self.next_hops(address))}, after {elapsed:.1f} s")
        self.say("And from the host `ext`, which lives behind the router:")
        self.show_curl("ext", address)

    def restart_pods(self, address: str) -> None:
        self.step("Restart the pods: nothing moves")
        before = self.owner(address)
        self.kubectl("rollout restart deployment/web")
        self.kubectl("rollout status deployment/web --timeout=120s")
        again, after = self.lab.get("service", "web")["status"]["loadBalancer"]["ingress"][0]["ip"], self.owner(address)
        if (again, after) != (address, before):
            raise LabError(f"{address} on {before} became {again} on {after}")
        self.show_curl("cli", address)
        self.note("after the restart of all pods", f"still {address} on {after}")

    def fail_over(self, address: str) -> None:
        owner = self.owner(address)
        self.step(f"Cut the link of {owner}, which answers for {address}")
        begin = time.monotonic()
        self.lab.cut_link(owner)
        try:
            with self.waiting("the other announcers have to notice that the node is away"):
                eventually(
                    lambda: self.arp_owners(address, 0.1) not in (set(), {owner}),
                    within=60,
                    what=f"{address} elsewhere",
                )
            elapsed = time.monotonic() - begin
            self.note("link of the owner cut", f"{address} answers from {self.owner(address)} after {elapsed:.1f} s")
            self.show_curl("cli", address)
        finally:
            self.lab.restore_link(owner)
        self.say(f"{owner} is connected again")
        with self.waiting("all nodes Ready"):
            self.lab.wait_nodes_ready()

    def story(self) -> None:
        """Everything from the installation to the failover. Raises LabError or NotWithin."""
        self.install()
        address = self.first_address()
        self.routed_address()
        self.restart_pods(address)
        self.fail_over(address)

    def close(self) -> None:
        """The closing table."""
        self.step("Summary")
        width = max(len(what) for what, _ in self.summary)
        self.say("\n".join(f"{what:{width}}  {value}" for what, value in self.summary))

    def diagnose(self) -> None:
        """What a person needs who reads of a failure later, when the lab is gone."""
        logs = ("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/name=heraldlb", "--all-containers", "--prefix")
        for words in (
            ("get", "nodes,pods,services", "--all-namespaces", "-o", "wide"),
            ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
            (*logs, "--tail=20"),
            (*logs, "--tail=20", "--previous", "--ignore-errors"),
        ):
            with contextlib.suppress(LabError):
                result = self.lab.try_kubectl(*words)
                self.say(f"--- kubectl {' '.join(words)}\n{(result.stdout or result.stderr)[-4000:]}")


def ways_on(name: str) -> str:
    """How to look around in a lab that stays."""
    tool = f".venv/bin/python -m tests.lab --name {name}"
    return "\n".join(
        [
            "The lab stays. In it:",
            f"  {tool} kubectl get services,ipaddresspools,l2advertisements",
            f"  {tool} exec cli curl -s http://192.168.77.200/     (the client on the LAN)",
            f"  {tool} exec ext curl -s http://192.168.200.1/      (the host behind the router)",
            f"  {tool} vtysh 'show bgp summary'",
            f"  {tool} kubectl -n {NAMESPACE} logs daemonset/heraldlb-speaker --all-containers --prefix",
            f"Remove it:  {tool} down",
        ]
    )


TRY_NEXT = """Try next:
  make demo KEEP=1                       the same, and the cluster stays for you to play with
  docs/tutorials/first-address.md        the same by hand, explained
  docs/how-to/install.md                 HeraldLB on your own cluster"""


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _told(demo: Demo, work: Callable[[], None]) -> bool:
    """Whether the work went well; otherwise everything is said that helps to see why."""
    try:
        work()
    except (LabError, NotWithin) as error:
        print(f"\ndemo: {error}", file=sys.stderr, flush=True)
        demo.diagnose()
        return False
    return True


def main(name: str) -> int:
    """Lab of that name up, story, lab down. Returns the exit status."""
    os.chdir(images.ROOT)
    signal.signal(signal.SIGTERM, _interrupt)
    keep = os.environ.get("KEEP", "") not in ("", "0")
    demo = Demo(Lab(name))

    def work() -> None:
        demo.step("A real Kubernetes on this machine: three nodes, a router, a client, a host behind the router")
        with demo.waiting("the first run compiles Kubernetes, which takes minutes; later runs start in seconds"):
            demo.lab.up()
        demo.kubectl("get nodes --output wide")
        demo.story()
        demo.close()

    done = False
    try:
        done = _told(demo, work)
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr, flush=True)
    finally:
        if not (done and keep):
            print("\nremoving the lab", flush=True)
            demo.lab.down()
    if done:
        print(f"\n{ways_on(name) if keep else TRY_NEXT}")
        print(f"\nDone in {time.monotonic() - demo.begin:.0f} s.", flush=True)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [NAME]))

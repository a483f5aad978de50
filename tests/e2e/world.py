"""What the end-to-end tests do with a cluster: make Services, ask the LAN and the router, hurt things and wait for the
cure.

Nothing is asserted through HeraldLB's own reports: who answers ARP is asked on the wire from the client's namespace,
routes are read from the router's kernel table, answers are fetched by curl.
"""

import contextlib
import ipaddress
import json
import re
import time
from collections.abc import Iterator
from typing import Any

from tests.lab.lab import Lab
from tests.lab.wait import eventually

NAMESPACE = "heraldlb-system"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class World:
    """One running cluster with HeraldLB installed, and the workload `web` (3 pods) and `single` (1 pod) in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._made: list[str] = []

    # --- Services

    def service(
        self,
        name: str,
        *,
        pool: str | None = None,
        dual: bool = False,
        local: bool = False,
        app: str = "web",
        port: int = 80,
        annotations: dict[str, str] | None = None,
    ) -> str:
        notes = dict(annotations or {})
        if pool is not None:
            notes["heraldlb.io/address-pool"] = pool
        spec: dict[str, Any] = {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "ports": [{"port": port, "targetPort": 8080}],
            "ipFamilyPolicy": "RequireDualStack" if dual else "SingleStack",
            "externalTrafficPolicy": "Local" if local else "Cluster",
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "annotations": notes},
            "spec": spec,
        }
        self._made.append(name)
        self.lab.kubectl("apply", "-f", "-", input=json.dumps(manifest))
        return name

    def delete_service(self, name: str) -> None:
        self.lab.kubectl("delete", "service", name, "--ignore-not-found", "--wait=true")

    def clean(self) -> None:
        if self._made:
            self.lab.kubectl("delete", "service", *self._made, "--ignore-not-found", "--wait=true")
        self._made.clear()

    def addresses(self, name: str, count: int = 1, within: float = 15) -> list[Address]:
        def read() -> list[Address]:
            status = self.lab.get("service", name, "default").get("status", {})
            return [ipaddress.ip_address(e["ip"]) for e in status.get("loadBalancer", {}).get("ingress", [])]

        eventually(lambda: len(read()) == count, within=within, what=f"{count} address(es) of Service {name}")
        return read()

    def node_of_pod(self, app: str) -> str:
        pods = json.loads(self.lab.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
        [node] = {pod["spec"]["nodeName"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}
        return str(node)

    # --- what the network says

    def answer(self, namespace: str, address: Address, port: int = 80, within: float = 20) -> str:
        host = f"[{address}]" if address.version == 6 else str(address)
        url = f"http://{host}:{port}/cgi-bin/who"
        found: list[str] = []

        def ask() -> bool:
            result = self.lab.try_run(namespace, "curl", "-s", "-m", "2", "--noproxy", "*", url)
            found[:] = [result.stdout.strip()] if result.returncode == 0 and result.stdout.strip() else []
            return bool(found)

        eventually(ask, within=within, what=f"an answer from {url} in {namespace}")
        return found[0]

    def arp_answers(self, address: Address) -> set[str]:
        """The nodes that answer one ARP request from the client, by their MAC addresses (an unknown MAC as itself)."""
        command = ("arping", "-I", "eth0", "-c", "1", "-w", "0.5", str(address))
        output = self.lab.try_run("cli", *command).stdout
        macs = {mac.lower() for mac in re.findall(r"([0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})", output)}
        owners = self.lab.node_macs()
        return {owners.get(mac, mac) for mac in macs}

    def arp_owner(self, address: Address) -> str:
        eventually(lambda: len(self.arp_answers(address)) == 1, within=10, what=f"one ARP answer for {address}")
        [owner] = self.arp_answers(address)
        return owner

    def next_hops(self, address: Address) -> list[str]:
        """The next hops of the host route in the router's kernel table, sorted."""
        length = 32 if address.version == 4 else 128
        routes = json.loads(
            self.lab.run("rtr", "ip", "-j", f"-{address.version}", "route", "show", f"{address}/{length}") or "[]"
        )
        hops = [hop for route in routes for hop in route.get("nexthops", [route])]
        return sorted(str(hop["gateway"]) for hop in hops if "gateway" in hop)

    # --- faults and cures

    def all_ready(self) -> None:
        self.lab.wait_nodes_ready()
        self.speakers_ready()

    def roll_speakers(self) -> None:
        """Replace every speaker's pod, node by node, as a new version does."""
        self.lab.kubectl("-n", NAMESPACE, "rollout", "restart", "daemonset/heraldlb-speaker")
        self.lab.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/heraldlb-speaker", "--timeout=180s")

    def speakers_ready(self) -> None:
        def ready() -> bool:
            status = self.lab.get("daemonset", "heraldlb-speaker", NAMESPACE)["status"]
            return bool(status.get("numberReady", 0) == status["desiredNumberScheduled"])

        eventually(ready, within=90, what="all speakers ready")

    @contextlib.contextmanager
    def controller_away(self) -> Iterator[None]:
        scale = ("-n", NAMESPACE, "scale", "deployment/heraldlb-controller")
        replicas = self.lab.get("deployment", "heraldlb-controller", NAMESPACE)["spec"]["replicas"]
        self.lab.kubectl(*scale, "--replicas=0")
        selector = "app.kubernetes.io/component=controller"
        self.lab.kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", selector, "--timeout=60s")
        try:
            yield
        finally:
            self.lab.kubectl(*scale, f"--replicas={replicas}")
            self.lab.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/heraldlb-controller", "--timeout=90s")

    def kill_controller(self) -> None:
        """SIGKILL every controller process, as the kernel's OOM killer would."""
        for node in self.lab.node_names:
            self.lab.try_node(node, "pkill", "-9", "-f", "--", "-m lb_controller")

    def kill_container(self, node: str, container: str) -> None:
        pattern = {"speaker": "-m speaker --", "announcer": "-m speaker.announcer", "bgp": "-m speaker.bgp"}[container]
        before = self.restarts(node, container)
        self.lab.try_node(node, "pkill", "-9", "-f", "--", pattern)
        eventually(lambda: self.restarts(node, container) > before, within=60, what=f"{container} on {node} restarted")

    def restarts(self, node: str, container: str) -> int:
        selector = "app.kubernetes.io/component=speaker"
        arguments = ("-l", selector, f"--field-selector=spec.nodeName={node}", "-o", "json")
        pods = json.loads(self.lab.kubectl("-n", NAMESPACE, "get", "pods", *arguments))["items"]
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
        return sum(int(status["restartCount"]) for status in statuses if status["name"] == container)

    @contextlib.contextmanager
    def api_server_away(self, seconds: float) -> Iterator[None]:
        """The API server is killed for that long; the block runs at the end of the outage."""
        self.lab.stop_api_server()
        try:
            time.sleep(seconds)  # an outage has a length, there is no condition to wait for
            yield
        finally:
            self.lab.start_api_server()

    # --- Helm

    def install(self) -> None:
        self.lab.install_chart()
        self.speakers_ready()

    def upgrade(self, *arguments: str) -> None:
        self.lab.install_chart(*arguments)
        self.speakers_ready()

    def revision(self) -> int:
        history = json.loads(self.lab.helm("history", "heraldlb", "-n", NAMESPACE, "-o", "json"))
        return int(history[-1]["revision"])

    def leftovers(self) -> set[str]:
        """Objects of HeraldLB that are still in the cluster, apart from the CRDs and the user's own objects."""
        kinds = "deployments,daemonsets,pods,services,serviceaccounts,configmaps,roles,rolebindings,leases"
        names = self.lab.kubectl("-n", NAMESPACE, "get", kinds, "-o", "name").split()
        wide = "clusterroles,clusterrolebindings,validatingwebhookconfigurations,priorityclasses"
        names += [name for name in self.lab.kubectl("get", wide, "-o", "name").split() if "heraldlb" in name]
        kept = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
        return set(names) - kept

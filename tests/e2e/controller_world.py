"""Controllers as processes in an API-only lab, and what a test does with Services and pools there."""

import json
import re
import signal
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.lab import Lab
from tests.lab.wait import eventually

ROOT = Path(__file__).parents[2]
SYSTEM = "heraldlb-system"
POOLS = "ipaddresspools.heraldlb.io"  # MetalLB has some of that name too
Item = dict[str, Any]


class ControllerProcess:
    """Controllers as processes in the namespace of the control plane."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kubeconfig: Path | None = None
        self._logs = 0

    def start(self, *arguments: str, within: float = 30) -> int:
        """Start one and wait until it is ready; returns its PID."""
        pid = self.spawn(*arguments)
        port = _port(arguments)
        eventually(lambda: self.get(port, "readyz") == "ok\n", within=within, what="the controller is ready")
        return pid

    def spawn(self, *arguments: str) -> int:
        self._logs += 1
        log = self.lab.folder / f"controller-{self._logs}.log"
        words = ["-m", "lb_controller", f"--kubeconfig={self.kubeconfig or self.lab.kubeconfig}", *arguments]
        return self.lab.space.start("cp", [sys.executable, *words], log, {"PYTHONPATH": str(ROOT)})

    def get(self, port: int, page: str) -> str:
        url = f"http://127.0.0.1:{port}/{page}"
        return self.lab.try_run("cp", "curl", "-s", "-m", "2", "--noproxy", "*", url).stdout

    def metric(self, name: str, port: int = 9470) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get(port, "metrics"), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal to all, and wait until they are gone."""
        self.lab.space.signal("cp", "-m lb_controller", number)
        eventually(lambda: not self.pids(), within=15, what=f"the controllers end on {number.name}")

    def end_test(self) -> None:
        """Leave no process and no Lease that the next test would have to wait for."""
        self.end(signal.SIGKILL)
        self.kubeconfig = None
        self.lab.kubectl("-n", SYSTEM, "delete", "lease", "--all")

    def pids(self) -> list[int]:
        return self.lab.space.find("cp", "-m lb_controller")


def _port(arguments: tuple[str, ...]) -> int:
    return next((int(word.partition("=")[2]) for word in arguments if word.startswith("--metrics-port=")), 9470)


class Cluster:
    """What a test does with the API: objects of its own namespace and its own pools."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab, self.namespace = lab, namespace
        self._pools: list[str] = []

    def pool(self, name: str, *addresses: str, **spec: object) -> None:
        self._pools.append(name)
        body = {"apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": name}}
        self.apply([{**body, "spec": {"addresses": list(addresses), **spec}}])

    def service(self, name: str, **annotations: str) -> Item:
        notes = {f"heraldlb.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace, "annotations": notes},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        }

    def apply(self, items: list[Item]) -> None:
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.lab.kubectl("apply", "--server-side", "-f", "-", input=body)

    def create(self, *names: str, **annotations: str) -> None:
        self.apply([self.service(name, **annotations) for name in names])

    def patch(self, name: str, spec: Item) -> None:
        self.lab.kubectl("-n", self.namespace, "patch", "service", name, "-p", json.dumps({"spec": spec}))

    def delete(self, name: str) -> None:
        self.lab.kubectl("-n", self.namespace, "delete", "service", name)

    def services(self) -> dict[str, Item]:
        items = json.loads(self.lab.kubectl("-n", self.namespace, "get", "services", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def addresses(self) -> dict[str, list[str]]:
        return {name: addresses_of(item) for name, item in self.services().items()}

    def address(self, name: str, within: float = 10) -> str:
        eventually(lambda: len(self.addresses()[name]) == 1, within=within, what=f"an address of Service {name}")
        return self.addresses()[name][0]

    def condition(self, name: str) -> Item:
        return condition_of(self.services()[name], "heraldlb.io/Assigned")

    def refused(self, name: str, reason: str) -> None:
        def told() -> bool:
            return bool(self.condition(name).get("reason") == reason)

        eventually(told, within=10, what=f"Service {name} is refused for {reason}")

    def events(self, name: str) -> list[str]:
        selector = f"involvedObject.name={name},source=heraldlb-controller"
        items = json.loads(self.lab.kubectl("get", "events", "-A", f"--field-selector={selector}", "-o", "json"))[
            "items"
        ]
        return [item["reason"] for item in items]

    def pool_status(self, name: str) -> Item:
        found: Item = json.loads(self.lab.kubectl("get", POOLS, name, "-o", "json"))
        return dict(found.get("status", {}))

    def clean(self) -> None:
        if self._pools:
            self.lab.kubectl("delete", POOLS, "--ignore-not-found", *self._pools)
        self.lab.kubectl("delete", "namespace", self.namespace, "--wait=false")


def addresses_of(service: Item) -> list[str]:
    return [entry["ip"] for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", [])]


def condition_of(item: Item, type_: str) -> Item:
    conditions = item.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == type_), {})


@pytest.fixture(scope="session")
def system(api: Lab) -> ControllerProcess:
    api.try_kubectl("create", "namespace", SYSTEM)
    return ControllerProcess(api)


@pytest.fixture
def processes(system: ControllerProcess) -> Iterator[ControllerProcess]:
    """No controller is running yet."""
    yield system
    system.end_test()


@pytest.fixture
def controller(processes: ControllerProcess) -> ControllerProcess:
    """One controller is running."""
    processes.start()
    return processes


@pytest.fixture
def cluster_api(api: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())
    namespace = f"{words[:45].strip('-')}-{zlib.crc32(words.encode()):08x}"  # the name of a parametrized test is long
    api.kubectl("create", "namespace", namespace)
    cluster = Cluster(api, namespace)
    yield cluster
    cluster.clean()


def held(addresses: dict[str, list[str]]) -> dict[str, str]:
    return {name: found[0] for name, found in addresses.items() if found}


def newest_log(lab: Lab) -> str:
    return max(lab.folder.glob("controller-*.log"), key=lambda path: path.stat().st_mtime).read_text()


def of_the_chart(lab: Lab, *kinds: str) -> list[Item]:
    """The chart's objects of these kinds."""
    text = lab.helm("template", "heraldlb", str(ROOT / "charts" / "heraldlb"), "-n", SYSTEM, "--kube-version=1.35.4")
    return [body for body in yaml.safe_load_all(text) if body and body["kind"] in kinds]


def kubeconfig_of_the_chart(lab: Lab) -> Path:
    """Credentials of the controller's ServiceAccount with the roles of the chart, and nothing more."""
    wanted = of_the_chart(lab, "ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    lab.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(wanted))
    token = lab.kubectl("-n", SYSTEM, "create", "token", "heraldlb-controller").strip()
    config = yaml.safe_load(lab.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = lab.folder / "controller.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path

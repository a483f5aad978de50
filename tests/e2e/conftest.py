"""The labs of a test session: an API-only one, and a cluster of three nodes with HeraldLB installed.

HERALD_LAB_REUSE=NAME takes a running lab of that name instead, and leaves it running. When a test failed, the logs of
all programs and pods are copied to tests/e2e/.artifacts.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import NAMESPACE, World
from tests.lab.lab import Lab

ARTIFACTS = Path(__file__).parent / ".artifacts"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MANIFESTS = Path(__file__).parent / "manifests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces"))


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """etcd, kube-apiserver and kube-controller-manager, with our CRDs."""
    lab = Lab(f"api{os.getpid()}")
    try:
        lab.up(nodes=0, router=False)
        lab.kubectl("apply", "-f", str(Path(__file__).parents[2] / "crds"))
        crds = ("get", "crd", "-o", "name")
        lab.kubectl("wait", "--for=condition=Established", "--timeout=30s", *lab.kubectl(*crds).split())
        yield lab
        keep_logs(lab, request)
    finally:
        lab.down()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Three nodes, a client, a router and a host behind it; nothing of HeraldLB."""
    if reused := os.environ.get("HERALD_LAB_REUSE"):
        yield Lab(reused)
        return
    lab = Lab(f"e2e{os.getpid()}")
    try:
        lab.up()
        yield lab
        keep_logs(lab, request)
    finally:
        lab.down()


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> World:
    """HeraldLB installed by Helm, with pools, advertisements, a BGP peer, and the workloads `web` and `single`."""
    world = World(lab)
    world.install()
    lab.kubectl("apply", "-f", str(MANIFESTS))
    for name in ("web", "single"):
        lab.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    return world


@pytest.fixture
def world(cluster: World) -> Iterator[World]:
    """The cluster, healthy at the beginning, without the test's Services at the end."""
    yield cluster
    cluster.clean()


def keep_logs(lab: Lab, request: pytest.FixtureRequest) -> None:
    if not request.session.testsfailed:
        return
    folder = ARTIFACTS / lab.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for log in lab.folder.glob("*.log"):
        shutil.copy(log, folder)
    pods = lab.try_kubectl("-n", NAMESPACE, "get", "pods", "-o", "name").stdout.split()
    for pod in pods:
        for previous in ((), ("--previous",)):
            text = lab.try_kubectl("-n", NAMESPACE, "logs", pod, "--all-containers", "--prefix", *previous).stdout
            if text:
                (folder / f"{pod.replace('/', '-')}{'-previous' if previous else ''}.log").write_text(text)
    for what in ("pods", "nodes", "services", "events", "heraldlb"):
        text = lab.try_kubectl("get", what, "-A", "-o", "yaml").stdout
        (folder / f"{what}.yaml").write_text(text)

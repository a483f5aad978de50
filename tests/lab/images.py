"""Container images without Docker: buildah builds the project's own Containerfile, archives go to every node.

The base image is Debian's Python, made by mmdebstrap, under the name that the Containerfile asks for, because no image
registry is reached. The archive for the nodes is made twice: whole, for a node's first import, and thin, with only the
blobs of layers that the nodes do not hold yet, so that a changed line of Python reaches the pods in seconds.
"""

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.lab import programs
from tests.lab.shell import run

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim-bookworm"
RECIPE = "bookworm minbase python3 python3-venv ca-certificates iproute2; 1"
IMAGE = "localhost/heraldlb"
PAUSE_C = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void stop(int s) { _exit(0); }
static void reap(int s) { while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  struct sigaction a = {0};
  signal(SIGINT, stop); signal(SIGTERM, stop);
  a.sa_handler = reap; a.sa_flags = SA_NOCLDSTOP; sigaction(SIGCHLD, &a, 0);
  for (;;) pause();
}
"""


def store() -> Path:
    return programs.cache() / "images"


def buildah(*words: str | Path, timeout: float = 1800) -> str:
    roots: list[str | Path] = ["--root", store() / "storage", "--runroot", store() / "run"]
    return run(["buildah", *roots, *words], env={"BUILDAH_ISOLATION": "chroot"}, timeout=timeout)


def workloads() -> list[Path]:
    """Archives of the images that every node needs: the pod sandbox, and busybox as test workload."""
    folder = store() / "workloads"
    archives = [folder / "pause.tar", folder / "bb.tar"]
    if all(path.exists() for path in archives):
        return archives
    print("making the images pause and busybox", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pause, bb = folder / "pause", folder / "bb"
    pause.mkdir(parents=True)
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (bb / name).mkdir(parents=True)
    (folder / "pause.c").write_text(PAUSE_C)
    run(["gcc", "-static", "-Os", "-o", pause / "pause", folder / "pause.c"])
    shutil.copy("/bin/busybox", bb / "bin" / "busybox")
    for applet in run(["/bin/busybox", "--list"]).split():
        if applet != "busybox":
            (bb / "bin" / applet).symlink_to("busybox")
    _from_scratch("pause:1", pause, '["/pause"]', folder / "pause.tar")
    _from_scratch("bb:1", bb, "[]", folder / "bb.tar")
    return archives


def _from_scratch(tag: str, content: Path, entrypoint: str, archive: Path) -> None:
    container = buildah("from", "scratch").strip()
    buildah("copy", "-q", container, content, "/")
    buildah("config", "--env", "PATH=/bin", "--entrypoint", entrypoint, container)
    buildah("commit", "-q", container, f"localhost/{tag}")
    buildah("rm", container)
    buildah("push", "-q", f"localhost/{tag}", f"oci-archive:{archive}:localhost/{tag}")


def _ensure_base() -> None:
    mark = store() / f"base-{hashlib.sha256(RECIPE.encode()).hexdigest()[:12]}"
    if mark.exists() and BASE in buildah("images", "--format", "{{.Name}}:{{.Tag}}"):
        return
    print("making the base image (Debian with Python)", file=sys.stderr, flush=True)
    store().mkdir(parents=True, exist_ok=True)
    archive = store() / "rootfs.tar"
    exclude = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    include = "--include=python3,python3-venv,ca-certificates,iproute2"
    run(["mmdebstrap", "-q", "--variant=minbase", include, *exclude, "bookworm", archive, *_mirror()], timeout=900)
    container = buildah("from", "scratch").strip()
    buildah("add", "-q", container, archive, "/")
    buildah("commit", "-q", container, BASE)
    buildah("rm", container)
    archive.unlink()
    mark.touch()


def _mirror() -> list[str]:
    """The archive that this machine's own apt uses."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for line in path.read_text().splitlines():
            if line.startswith("URIs:"):
                return [line.split()[1]]
    return []


def image() -> tuple[str, Path]:
    """Build HeraldLB's image from the checkout; returns its name with a tag of its content, and its OCI layout."""
    with programs.locked("images.lock"):  # two labs must not build the same image side by side
        return _image()


def _image() -> tuple[str, Path]:
    _ensure_base()
    tag = _content_tag()
    name, layout = f"{IMAGE}:{tag}", store() / "layouts" / tag
    if (layout / "index.json").exists():
        return name, layout
    # pip inside the build asks the registry that this machine's pip asks; nothing of that stays in the image.
    secrets = {key: value for key, value in os.environ.items() if key.startswith("PIP_") and "FIND_LINKS" not in key}
    volumes = []
    for path in (Path("/etc/ssl/certs"), Path("/etc/pip.conf"), Path.home() / ".config" / "pip"):
        if path.exists():
            inside = "/root/.config/pip" if path.name == "pip" else str(path)
            volumes += ["--volume", f"{path}:{inside}:ro"]
    exports = "".join(f"export {key}='{value}'\n" for key, value in secrets.items())
    environment = store() / "pip.env"
    environment.write_text(exports)
    environment.chmod(0o600)
    command = ["bud", "--layers", "--pull=never", "-q", "--secret", f"id=pip,src={environment}", *volumes]
    buildah(*command, "-t", name, "-f", ROOT / "Containerfile", ROOT)
    layout.parent.mkdir(parents=True, exist_ok=True)
    partial = layout.with_suffix(".new")
    shutil.rmtree(partial, ignore_errors=True)
    buildah("push", "-q", name, f"oci:{partial}:{name}")
    partial.rename(layout)
    return name, layout


def _content_tag() -> str:
    digest = hashlib.sha256(RECIPE.encode())
    files = [ROOT / "Containerfile", ROOT / "requirements.lock", ROOT / "pyproject.toml"]
    files += sorted(path for name in ("lb_controller", "speaker") for path in (ROOT / name).rglob("*.py"))
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def layers(layout: Path) -> dict[str, Path]:
    """Digest -> blob of every layer of an OCI layout with one image."""
    manifest = _manifest(layout)
    return {layer["digest"]: _blob(layout, layer["digest"]) for layer in manifest["layers"]}


def archive(name: str, layout: Path, held: set[str], out: Path) -> None:
    """Write an image archive for nodes that hold the layers `held` already: those blobs are left out."""
    described = json.loads((layout / "index.json").read_text())["manifests"][0]
    described["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    manifest = _manifest(layout)
    digests = [described["digest"], manifest["config"]["digest"]]
    digests += [layer["digest"] for layer in manifest["layers"] if layer["digest"] not in held]
    with tarfile.open(out, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        for digest in digests:
            tar.add(_blob(layout, digest), arcname=f"blobs/{digest.replace(':', '/')}")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _manifest(layout: Path) -> dict[str, Any]:
    described = json.loads((layout / "index.json").read_text())["manifests"][0]
    found: dict[str, Any] = json.loads(_blob(layout, described["digest"]).read_text())
    return found


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")

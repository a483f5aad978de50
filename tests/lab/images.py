"""Container images without Docker: buildah builds the project's own Containerfile.

The base image is Debian's Python, made by mmdebstrap, under the name that the Containerfile asks for, because no image
registry is reached. How the image reaches the nodes is in `archives`.
"""

import ast
import hashlib
import shlex
import shutil
import sys
from pathlib import Path

from tests.lab import programs
from tests.lab.archives import Image, stored
from tests.lab.shell import run

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim-bookworm"
RECIPE = "bookworm minbase python3 python3-venv ca-certificates iproute2; 1"
IMAGE = "localhost/heraldlb"
# The time of every file and layer: any will do, as long as it is the same for the same input.
EPOCH = 1767225600
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "cert", "proxy", "timeout", "default-timeout", "retries")
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
    if mark.exists() and stored(store() / "storage", BASE) is not None:
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


def image() -> Image:
    """Build HeraldLB's image from the checkout, under a tag of its content."""
    with programs.locked("images.lock"):  # two labs must not build the same image side by side
        _ensure_base()
        name = f"{IMAGE}:{_content_tag()}"
        if stored(store() / "storage", name) is None:
            build(name)
        return Image.read(name, store())


def build(name: str, containerfile: Path = ROOT / "Containerfile", *options: str) -> None:
    """Build a Containerfile over the checkout, whatever is there already; `options` are buildah's."""
    settings = _pip_settings()
    shared = ["/etc/ssl/certs", *_outside(settings.get("PIP_CERT"))]
    volumes = [word for path in shared for word in ("--volume", f"{path}:{path}:ro")]
    environment = store() / "pip.env"
    environment.touch(mode=0o600)
    environment.write_text("".join(f"{key}={shlex.quote(value)}\n" for key, value in settings.items()))
    command = ["bud", "--layers", "--pull=never", "-q", f"--timestamp={EPOCH}", "--secret", f"id=pip,src={environment}"]
    try:
        buildah(*command, *volumes, *options, "-t", name, "-f", containerfile, ROOT)
    finally:
        environment.unlink()


def _pip_settings() -> dict[str, str]:
    """How this machine's pip reaches its registry, as environment variables; nothing of that stays in the image."""
    found = {}
    for line in run([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        option = key.rsplit(".", 1)[-1]
        if option in PIP_OPTIONS:
            found[f"PIP_{option.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return found


def _outside(certificate: str | None) -> list[str]:
    """The certificates that pip trusts, where they are not among the machine's own."""
    return [certificate] if certificate and not certificate.startswith("/etc/ssl/certs/") else []


def _content_tag() -> str:
    digest = hashlib.sha256(RECIPE.encode())
    files = [ROOT / name for name in ("Containerfile", ".dockerignore", "requirements.lock", "LICENSE", "NOTICE")]
    files += sorted(path for name in ("lb_controller", "speaker") for path in (ROOT / name).rglob("*.py"))
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]

"""Debian packages that the lab needs, installed once, and only when one of them is missing."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.programs import locked
from tests.lab.shell import LabError, attempt, run

# package -> a file that it brings
NEEDED = {
    "arping": "/usr/sbin/arping",
    "bird2": "/usr/sbin/bird",
    "buildah": "/usr/bin/buildah",
    "busybox-static": "/bin/busybox",
    "conntrack": "/usr/sbin/conntrack",
    "containerd": "/usr/bin/containerd",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "curl": "/usr/bin/curl",
    "ethtool": "/usr/sbin/ethtool",
    "frr": "/usr/lib/frr/bgpd",
    "gcc": "/usr/bin/gcc",
    "gobgpd": "/usr/bin/gobgpd",
    "iproute2": "/usr/sbin/ip",
    "ipset": "/usr/sbin/ipset",
    "iptables": "/usr/sbin/iptables",
    "iputils-ping": "/usr/bin/ping",
    "jq": "/usr/bin/jq",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "ndisc6": "/usr/bin/ndisc6",
    "nftables": "/usr/sbin/nft",
    "openssl": "/usr/bin/openssl",
    "procps": "/usr/bin/pkill",
    "prometheus": "/usr/bin/promtool",
    "runc": "/usr/sbin/runc",
    "tcpdump": "/usr/bin/tcpdump",
    "util-linux": "/usr/bin/nsenter",
}


def missing() -> list[str]:
    """The packages whose file is not on this machine."""
    return [package for package, path in NEEDED.items() if not Path(path).exists()]


def install() -> None:
    """Install what is missing by apt. Raises LabError with a sentence when that cannot be done."""
    absent = missing()
    if not absent:
        return
    command = f"apt-get install --no-install-recommends {' '.join(absent)}"
    if os.geteuid() != 0:
        raise LabError(f"the lab needs root; as root, run: {command}")
    if shutil.which("apt-get") is None:
        raise LabError(f"the lab needs Debian's packages {', '.join(absent)}; this machine has no apt-get")
    print(f"installing Debian's packages {', '.join(absent)}", file=sys.stderr, flush=True)
    try:
        with locked("packages.lock"), no_services():
            apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
            environment = {"DEBIAN_FRONTEND": "noninteractive"}
            attempt([*apt, "update"], env=environment, timeout=600)
            run([*apt, "install", "-y", "--no-install-recommends", *absent], env=environment, timeout=1200)
    except LabError as error:
        raise LabError(f"Debian's packages could not be installed; run by hand: {command}\n{error}") from None
    if still := missing():
        raise LabError(f"after the installation these packages are still missing: {', '.join(still)}")


@contextmanager
def no_services() -> Iterator[None]:
    """Services that packages bring (frr, bird, containerd) must not start outside the lab's namespaces."""
    policy, forbid = Path("/usr/sbin/policy-rc.d"), "#!/bin/sh\n# made by HeraldLB's lab\nexit 101\n"
    ours = not policy.exists() or policy.read_text() == forbid  # left by a run that was killed
    if ours:
        policy.write_text(forbid)
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink()

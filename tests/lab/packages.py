"""Debian packages that the lab needs, installed once, and only when one of them is missing."""

import os
import shutil
from pathlib import Path

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
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    # Services that packages bring (frr, bird, containerd) must not start outside the lab's namespaces.
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        attempt(["apt-get", "update", "-qq"], env=environment, timeout=300)
        run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent],
            env=environment,
            timeout=900,
        )
    except LabError as error:
        raise LabError(f"Debian's packages could not be installed; run by hand: {command}\n{error}") from None
    finally:
        if made:
            policy.unlink()
    if still := missing():
        raise LabError(f"after the installation these packages are still missing: {', '.join(still)}")

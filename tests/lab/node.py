"""One node: kubelet, containerd and kube-proxy in namespaces of their own.

A node is a network, mount, PID, UTS and IPC namespace, whose first process is a small shell script: to kill that
process is a power cut that ends all its pods, and the kernel unmounts everything by itself. kubelets on one host would
delete each other's /var/log/pods, hence the private mount namespace.
"""

import json
import os
import signal
from pathlib import Path

from tests.lab.namespaces import LAN4, LAN6, Namespaces, node_part
from tests.lab.shell import Result, attempt, run
from tests.lab.wait import eventually

CGROUPS = Path("/sys/fs/cgroup")
DISABLED = ["aufs", "btrfs", "devmapper", "zfs"]


class Node:
    """Node number `number` (from 1) of a lab; its files are in `folder`."""

    def __init__(self, space: Namespaces, lab_folder: Path, binaries: Path, number: int) -> None:
        self.space, self.lab_folder, self.binaries, self.number = space, lab_folder, binaries, number
        self.name = f"node{number}"
        self.port = f"n{number}"
        self.folder = lab_folder / self.name
        self.socket = self.folder / "containerd.sock"
        self.cgroup = f"{space.prefix}{self.name}"

    def write_files(self) -> None:
        for name in ("cni", "log", "netns", "kubelet", "runc", "results", "volumes", "root", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "containerd.toml").write_text(self._containerd())
        (self.folder / "cni" / "10-pods.conflist").write_text(json.dumps(self._cni()))
        (self.folder / "kubelet.yaml").write_text(json.dumps(self._kubelet()))
        (self.folder / "proxy.yaml").write_text(json.dumps(self._proxy()))
        (self.folder / "init.sh").write_text(self._init())

    def boot(self) -> None:
        """Power on; returns when containerd answers."""
        for controller in cgroup_controllers():
            (controller / self.cgroup).mkdir(exist_ok=True)
        cpuset = CGROUPS / "cpuset"
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (cpuset / name).exists():
                (cpuset / self.cgroup / name).write_text((cpuset / name).read_text())
        self.socket.unlink(missing_ok=True)
        unshare = ["unshare", "-m", "-u", "-i", "-p", "--fork", "--kill-child", "--mount-proc"]
        self.space.start(self.name, [*unshare, "bash", self.folder / "init.sh"], self.lab_folder / f"{self.name}.log")
        eventually(self.containerd_ready, within=30, what=f"containerd of {self.name}")

    def containerd_ready(self) -> bool:
        return self.socket.exists() and attempt(["ctr", "-a", self.socket, "version"]).returncode == 0

    def crash(self) -> None:
        """A power cut: every process of the node, pods included, ends at once."""
        for pid in self._pids("unshare"):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.space.processes(self.name), within=20, what=f"the end of {self.name}")

    def init_pid(self) -> int:
        """The first process of the node, whose namespaces are the node's."""
        [unshare] = self._pids("unshare")
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        return int(children[0])

    def attempt(self, *command: str | Path, timeout: float = 60) -> Result:
        """Run a command inside the node."""
        return attempt(["nsenter", "-t", str(self.init_pid()), "-m", "-u", "-i", "-n", "-p", *command], timeout=timeout)

    def load(self, archive: Path) -> None:
        """Import an image archive into the node's containerd."""
        run(["ctr", "-a", self.socket, "-n", "k8s.io", "image", "import", archive], timeout=300)

    def name_image(self, image: str, name: str) -> None:
        """Give an image that the node holds one more name."""
        run(["ctr", "-a", self.socket, "-n", "k8s.io", "image", "tag", "--force", image, name])

    def address(self) -> str:
        return f"{LAN4}.{node_part(self.number)}"

    def _pids(self, program: str) -> list[int]:
        return [pid for pid, words in self.space.processes(self.name).items() if words.startswith(f"{program} ")]

    # --- configuration files

    def _containerd(self) -> str:
        disabled = [f"io.containerd.snapshotter.v1.{name}" for name in DISABLED]
        disabled += ["io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""version = 2
root = "{self.folder}/root"
state = "{self.folder}/state"
disabled_plugins = {json.dumps(disabled)}
[grpc]
  address = "{self.socket}"
[{cri}]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # a machine without CAP_SYS_RESOURCE refuses negative scores
  [{cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{self.folder}/cni"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

    def _cni(self) -> dict[str, object]:
        subnets = [[{"subnet": f"10.244.{self.number}.0/24"}], [{"subnet": f"fd00:244:{self.number}::/64"}]]
        addresses = {
            "type": "host-local",
            "dataDir": f"{self.folder}/ipam",
            "ranges": subnets,
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{self.lab_folder}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "failCgroupV1": False,  # the default of 1.35 refuses to start on cgroup v1
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "resolvConf": "",
            "volumePluginDir": f"{self.folder}/volumes",
            "clusterDNS": ["10.96.0.10"],
            "clusterDomain": "cluster.local",
            "nodeStatusUpdateFrequency": "3s",
            "nodeLeaseDurationSeconds": 8,  # renewed every 2 s; the default renews as rarely as our grace period
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
        }

    def _proxy(self) -> dict[str, object]:
        # conntrack at 0: leave the machine's sysctls alone
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{self.lab_folder}/proxy.kubeconfig"},
            "hostnameOverride": self.name,
            "mode": "iptables",
            "clusterCIDR": "10.244.0.0/16,fd00:244::/40",
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }

    def _init(self) -> str:
        part = node_part(self.number)
        kubelet = [
            f"--config={self.folder}/kubelet.yaml",
            f"--kubeconfig={self.lab_folder}/{self.name}.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={LAN4}.{part},{LAN6}::{part}",
            f"--cert-dir={self.folder}/pki",
        ]
        log = self.lab_folder / f"{self.name}-$1.log"
        return f"""# The first process of {self.name}: restarts what dies, like an init.
mount --make-rshared /
mkdir -p /var/lib/kubelet /var/lib/cni /run/containerd /run/netns
for pair in log:/var/log netns:/run/netns kubelet:/var/lib/kubelet results:/var/lib/cni runc:/run/containerd; do
  mount --bind {self.folder}/${{pair%%:*}} ${{pair#*:}}
done
mount --make-shared /run/netns
hostname {self.name}
keep() {{ while :; do "${{@:2}}" >>{log} 2>&1; sleep 0.5; done; }}
keep containerd containerd -c {self.folder}/containerd.toml &
until ctr -a {self.socket} version >/dev/null 2>&1; do sleep 0.05; done
keep kubelet {self.binaries}/kubelet {" ".join(kubelet)} &
keep proxy {self.binaries}/kube-proxy --config={self.folder}/proxy.yaml &
while :; do wait -n 2>/dev/null || sleep 1; done
"""


def cgroup_controllers() -> list[Path]:
    """Where a node's cgroup is made: in each controller of cgroup v1, or in the one tree of v2."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [
        path for path in CGROUPS.iterdir() if path.is_dir() and path.name != "unified" and (path / "tasks").exists()
    ]


def remove_cgroups(prefix: str) -> None:
    """Remove the cgroups of all nodes with that prefix; killed pods need a moment to leave them."""

    def gone() -> bool:
        left = False
        for root in (CGROUPS, *CGROUPS.iterdir()):  # runc leaves some in the empty v2 tree beside v1 too
            for top in root.glob(f"{prefix}node*"):
                for path in sorted([top, *(p for p in top.rglob("*") if p.is_dir())], reverse=True):
                    try:
                        path.rmdir()
                    except OSError:
                        left = True
        return not left

    eventually(gone, within=30, what=f"removal of the cgroups {prefix}*")

"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler in the namespace `cp`.

Why an unusual flag is there stands beside it.
"""

import signal
from pathlib import Path

from tests.lab.namespaces import Namespaces
from tests.lab.pki import SERVER
from tests.lab.shell import LabError
from tests.lab.wait import NotWithin, eventually


class ControlPlane:
    """The control plane of one lab; `folder` holds its keys, data and logs, `binaries` its programs."""

    def __init__(self, space: Namespaces, folder: Path, binaries: Path) -> None:
        self.space, self.folder, self.binaries = space, folder, binaries

    def start(self) -> None:
        """Start etcd and the API server, and wait until the API is ready."""
        (self.folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
        self._start("etcd", "--data-dir", "etcd", "--unsafe-no-fsync", "--log-level=warn")
        self.start_api_server()

    def start_api_server(self) -> None:
        self._start("kube-apiserver", *API_SERVER)
        self._await_ready("kube-apiserver")

    def ready(self) -> bool:
        curl = ["curl", "-sk", "-m", "2", "--noproxy", "*", "--cert", "api.crt", "--key", "api.key", f"{SERVER}/readyz"]
        words = [str(self.folder / word) if word in ("api.crt", "api.key") else word for word in curl]
        return self.space.attempt("cp", *words).stdout == "ok"

    def start_controllers(self, *, scheduler: bool, watch_nodes: bool = True) -> None:
        """`watch_nodes`: whether a node without a kubelet's sign of life becomes NotReady."""
        self._start(
            "kube-controller-manager",
            *_kubeconfigs("controller-manager"),
            "--service-account-private-key-file=sa.key",
            "--root-ca-file=ca.crt",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--node-monitor-grace-period=10s",  # a dead node is NotReady in 10 s instead of 50
            "--node-monitor-period=1s",
            f"--controllers=*{'' if watch_nodes else ',-node-lifecycle-controller'}",
        )
        if scheduler:
            self._start(
                "kube-scheduler", *_kubeconfigs("scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"
            )

    def stop_api_server(self) -> None:
        self.space.signal("cp", "/kube-apiserver ", signal.SIGKILL)
        eventually(lambda: not self.space.find("cp", "/kube-apiserver "), within=10, what="the end of kube-apiserver")
        # Its threads end one by one: the port stays taken for a moment after the process looks gone.
        eventually(
            lambda: ":6443 " not in self.space.attempt("cp", "ss", "-Hltn").stdout, within=10, what="a free port"
        )

    def _start(self, program: str, *arguments: str) -> None:
        self.space.start("cp", [self.binaries / program, *arguments], self.folder / f"{program}.log")

    def _await_ready(self, program: str) -> None:
        try:
            eventually(self.ready, within=60, what=f"{program} is ready")
        except NotWithin as error:
            log = self.folder / f"{program}.log"
            raise LabError(f"{error}; its log {log} ends:\n{log.read_text()[-1500:]}") from None


def _kubeconfigs(user: str) -> list[str]:
    return [
        f"--{kind}={user}.kubeconfig"
        for kind in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    ]


# What HeraldLB's pods ask for: tests compare it with their roles.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:heraldlb-system"]
  - level: None
"""
API_SERVER = (
    "--etcd-servers=http://127.0.0.1:2379",
    "--advertise-address=192.168.77.5",
    "--secure-port=6443",
    "--tls-cert-file=api.crt",
    "--tls-private-key-file=api.key",
    "--client-ca-file=ca.crt",
    "--kubelet-client-certificate=api.crt",
    "--kubelet-client-key=api.key",
    "--enable-aggregator-routing=true",  # webhooks are asked at the pods' addresses: there is no kube-proxy here
    "--kubelet-preferred-address-types=InternalIP",  # else logs and exec ask DNS for node names
    "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--service-account-signing-key-file=sa.key",
    "--service-account-key-file=sa.key",
    "--allow-privileged=true",
    "--profiling=false",
    "--audit-policy-file=audit-policy.yaml",
    "--audit-log-path=audit.log",
    "--default-not-ready-toleration-seconds=10",  # pods leave a dead node in 10 s instead of 300
    "--default-unreachable-toleration-seconds=10",
)

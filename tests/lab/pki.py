"""Certificates and kubeconfigs of one lab: elliptic-curve keys by openssl, made in well under a second."""

import base64
import json
import secrets
from pathlib import Path

from tests.lab.shell import run

SERVER = "https://192.168.77.5:6443"
NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,"
    "IP:127.0.0.1,IP:10.96.0.1,IP:fd00:96::1,IP:192.168.77.5,IP:fd00:77::5"
)


class Pki:
    """The lab's certificate authority in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, nodes: list[str]) -> None:
        """The authority, the API server's certificate, and a kubeconfig for every user."""
        ca = ["-subj", "/CN=lab-ca", "-days", "365", "-nodes", "-keyout", "ca.key", "-out", "ca.crt"]
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *ca], cwd=self.folder)
        run(["openssl", "genrsa", "-out", "sa.key", "2048"], cwd=self.folder)
        self._certificate("api", "/O=system:masters/CN=kube-apiserver", NAMES)
        self._kubeconfig("admin", "/O=system:masters/CN=admin")
        self._kubeconfig("controller-manager", "/CN=system:kube-controller-manager")
        if nodes:
            self._kubeconfig("scheduler", "/CN=system:kube-scheduler")
            self._kubeconfig("proxy", "/CN=system:kube-proxy")
        for node in nodes:
            self._kubeconfig(node, f"/O=system:nodes/CN=system:node:{node}")

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    def _certificate(self, name: str, subject: str, alternative: str = "") -> None:
        extensions = "extendedKeyUsage=serverAuth,clientAuth\n"
        extensions += f"subjectAltName={alternative}\n" if alternative else ""
        (self.folder / f"{name}.ext").write_text(extensions)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        run(["openssl", "req", *key, "-subj", subject, "-out", f"{name}.csr"], cwd=self.folder)
        authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", f"0x{secrets.token_hex(8)}", "-days", "365"]
        files = ["-in", f"{name}.csr", "-extfile", f"{name}.ext", "-out", f"{name}.crt"]
        run(["openssl", "x509", "-req", *authority, *files], cwd=self.folder)

    def _kubeconfig(self, user: str, subject: str) -> None:
        self._certificate(user, subject)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "lab", "cluster": {"server": SERVER, "certificate-authority-data": self._encoded("ca.crt")}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": self._encoded(f"{user}.crt"),
                        "client-key-data": self._encoded(f"{user}.key"),
                    },
                }
            ],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
            "current-context": "lab",
        }
        self.kubeconfig(user).write_text(json.dumps(document, indent=1))

    def _encoded(self, name: str) -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()

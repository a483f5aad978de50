"""Settings of the controller."""

import socket
from dataclasses import dataclass
from pathlib import Path

from lb_controller.allocation.changes import Stranded
from lb_controller.runtime.logging import LogFormat, LogLevel
from lb_controller.runtime.settings import Coexistence, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """HeraldLB's controller: assigns addresses out of IPAddressPools to Services of type LoadBalancer."""

    kubeconfig: Path | None = setting(
        None, help="kubeconfig file; without one, the pod's service account", fallbacks=("KUBECONFIG",)
    )
    namespace: str = setting(
        "heraldlb-system", help="namespace of HeraldLB's own objects, such as its Lease", fallbacks=("POD_NAMESPACE",)
    )
    identity: str = setting(
        "",
        help="name of this replica in the Lease, unique among replicas; default: the host's name",
        fallbacks=("POD_NAME",),
    )
    leader_election: bool = setting(
        True, help="share the work with other replicas by a Lease; false only where one single replica can run"
    )
    lease_seconds: float = setting(
        12.0, help="seconds after which another replica takes over from one that fell silent", minimum=6, maximum=120
    )
    load_balancer_class: str = setting("heraldlb.io/heraldlb", help="spec.loadBalancerClass of the Services to serve")
    serve_unclassed: bool = setting(True, help="whether to serve Services without spec.loadBalancerClass too")
    metallb_namespace: str = setting(
        "metallb-system", help="namespace of MetalLB's own objects, which are read too; empty reads none"
    )
    coexistence: Coexistence = setting(
        Coexistence.AUTO, help="auto leaves alone the Services of a MetalLB that runs; ignore does not look for one"
    )
    stranded_addresses: Stranded = setting(
        Stranded.RETAIN, help="what becomes of an address that no pool covers any more"
    )
    relist_seconds: float = setting(
        300.0, help="seconds between full lists, which find what a watch lost", minimum=5, maximum=86400
    )
    writers: int = setting(32, help="status writes in flight at once", minimum=1, maximum=256)
    metrics_host: str = setting("0.0.0.0", help="address to serve /metrics, /healthz and /readyz on")
    metrics_port: int = setting(9470, help="port of /metrics; 0 serves none", minimum=0, maximum=65535)
    webhook_host: str = setting("0.0.0.0", help="address to serve the admission webhook on")
    webhook_port: int = setting(0, help="port of the admission webhook; 0 serves none", minimum=0, maximum=65535)
    log_level: LogLevel = setting(LogLevel.INFO, help="least severity that is logged")
    log_level_file: Path | None = setting(
        None, help="file with a level that replaces it, read again when it changes and on SIGHUP"
    )
    log_format: LogFormat = setting(LogFormat.AUTO, help="log lines as JSON or for a console; auto asks the terminal")

    @property
    def replica(self) -> str:
        """Who this process is in the Lease."""
        return self.identity or socket.gethostname()

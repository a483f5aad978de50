"""Settings of the speaker."""

from dataclasses import dataclass
from pathlib import Path

from lb_controller.runtime.logging import LogFormat, LogLevel
from lb_controller.runtime.settings import Coexistence, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerSettings:
    """HeraldLB's speaker: reads the cluster, decides what this node announces, and tells the announcers."""

    node_name: str = setting(required=True, help="name of the Node that this process runs on", fallbacks=("NODE_NAME",))
    socket_dir: Path = setting(Path("/run/heraldlb"), help="folder of the sockets shared with the announcers")
    kubeconfig: Path | None = setting(
        None, help="kubeconfig file; without it the pod's own service account is used", fallbacks=("KUBECONFIG",)
    )
    namespace: str = setting(
        "heraldlb-system", help="namespace of HeraldLB, where Secrets of BGP peers lie", fallbacks=("POD_NAMESPACE",)
    )
    load_balancer_class: str = setting(
        "heraldlb.io/heraldlb", help="spec.loadBalancerClass of the Services to announce"
    )
    serve_unclassed: bool = setting(True, help="whether to announce Services without spec.loadBalancerClass too")
    metallb_namespace: str = setting(
        "metallb-system", help="namespace of MetalLB's own objects, which are read too; empty reads none"
    )
    coexistence: Coexistence = setting(
        Coexistence.AUTO, help="auto leaves alone the Services of a MetalLB that runs; ignore does not look for one"
    )
    ignore_exclude_label: bool = setting(
        False, help="announce also from nodes with the label node.kubernetes.io/exclude-from-external-load-balancers"
    )
    member_labels: tuple[str, ...] = setting(
        (), help="labels, each key=value, of the nodes that run an announcer, comma-separated; none: every node does"
    )
    kube_proxy_health: str = setting(
        "http://127.0.0.1:10256/healthz",
        help="kube-proxy's health page; a node whose kube-proxy is not healthy draws no traffic; empty asks nobody",
    )
    forwarding_wait: float = setting(
        10.0, help="seconds that a starting speaker waits for kube-proxy before it takes it for absent", minimum=0
    )
    local_health_wait: float = setting(
        5.0,
        help="seconds that kube-proxy may take to answer on the healthCheckNodePort of a Service with policy Local, "
        "when its first endpoint on this node has become ready, before it is taken for absent; 0 asks nothing",
        minimum=0,
    )
    metrics_host: str = setting("0.0.0.0", help="address of /metrics, /healthz and /readyz")
    metrics_port: int = setting(9471, help="port of the same; 0 serves nothing", minimum=0, maximum=65535)
    log_level: LogLevel = setting(LogLevel.INFO, help="least severity that is logged")
    log_level_file: Path | None = setting(
        None, help="file with a level that replaces it, read again when it changes and on SIGHUP"
    )
    log_format: LogFormat = setting(LogFormat.AUTO, help="auto is console on a terminal and json otherwise")

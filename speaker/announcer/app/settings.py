"""Settings of the announcer."""

import re
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path

from lb_controller.runtime.logging import LogFormat, LogLevel
from lb_controller.runtime.settings import setting

# Interfaces of container runtimes and overlays: no client asks there, and an answer would mislead.
EXCLUDED = (
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
)


@unique
class Failback(StrEnum):
    """Whether addresses go back to a node that returned."""

    NEVER = "Never"
    IMMEDIATE = "Immediate"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncerSettings:
    """HeraldLB's announcer: answers ARP and NDP for the addresses that this node owns. Needs CAP_NET_RAW."""

    socket_dir: Path = setting(Path("/run/heraldlb"), help="folder of the sockets shared with the speaker")
    exclude_interfaces: tuple[str, ...] = setting(
        EXCLUDED, help="regular expressions of interface names that are never used, comma-separated"
    )
    gratuitous_refresh: float = setting(
        60.0, help="seconds between gratuitous frames for an owned address after the first 5 s; 0 sends none", minimum=0
    )
    gratuitous_rate: float = setting(
        1000.0, help="at most so many addresses a second get their gratuitous frames", minimum=1
    )
    ownership_port: int = setting(
        7947, help="UDP port on which the announcers of a link speak with each other", minimum=1, maximum=65535
    )
    ownership_interface: str = setting(
        "", help="interface on which they meet; empty is the one with the node's internal address or default route"
    )
    ownership_key_file: Path | None = setting(
        None,
        help="file with one or two keys, lines `id:secret` or `public`, the first is used to send; none: no secret",
    )
    liveness_interval: float = setting(
        200.0, help="milliseconds between the BFD packets of two announcers", minimum=10, maximum=10000
    )
    liveness_multiplier: int = setting(
        3, help="BFD packets that may be missed before a node is suspected", minimum=2, maximum=50
    )
    failback: Failback = setting(
        Failback.NEVER, help="whether a better candidate gets its addresses back when it has returned"
    )
    log_level: LogLevel = setting(LogLevel.INFO, help="least severity that is logged")
    log_level_file: Path | None = setting(
        None, help="file with a level that replaces it, read again when it changes and on SIGHUP"
    )
    log_format: LogFormat = setting(LogFormat.AUTO, help="auto is console on a terminal and json otherwise")

    def __post_init__(self) -> None:
        """Raises ValueError for what is no regular expression."""
        for pattern in self.exclude_interfaces:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"--exclude-interfaces: {pattern!r} is no regular expression: {error}") from None

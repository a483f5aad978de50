"""Settings of the announcer."""

import re
from dataclasses import dataclass
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

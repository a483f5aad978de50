"""Reads the node for the preflight: files of /proc and /sys, and kube-proxy's word about its mode.

The speaker shares the node's network, so these files are the node's, and everybody may read them. What is not there is
left out.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiohttp

from speaker.announcer.app.settings import EXCLUDED
from speaker.decide.preflight import Link, NodeFacts

PROXY_MODE_URL = "http://127.0.0.1:10249/proxyMode"
_ETHERNET = "1"  # ARPHRD_ETHER
_LINK_LOCAL = "20"  # the scope in /proc/net/if_inet6
_LISTEN = "0A"
_PLAIN = ("ipv4.ip_forward", "ipv6.conf.all.forwarding", "ipv4.conf.all.arp_ignore", "ipv4.conf.all.arp_announce")
_MOST_ADDRESSES = 500


async def read(addresses: Iterable[str], lag: float, *, root: Path = Path("/")) -> NodeFacts:
    """All facts; `addresses` are the assigned ones, of which the first 500 are looked for on this node."""
    mode = await _proxy_mode()
    # In a thread: a node with many connections has a long /proc/net/tcp.
    return await asyncio.to_thread(_collect, mode, sorted(addresses)[:_MOST_ADDRESSES], lag, root)


def _collect(mode: str | None, addresses: list[str], lag: float, root: Path) -> NodeFacts:
    links = tuple(_links(root))
    names = [*_PLAIN, *(f"ipv4.conf.{name}.rp_filter" for name in ("all", *(link.name for link in links)))]
    values = {name: _number(root / "proc/sys/net" / Path(*_parts(name))) for name in names}
    return NodeFacts(
        proxy_mode=mode,
        sysctls={name: value for name, value in values.items() if value is not None},
        links=links,
        listening=frozenset(_listening(root)),
        own_addresses=tuple(filter(_is_local, addresses)),
        lag=lag,
    )


def _links(root: Path) -> Iterator[Link]:
    local = {words[5] for words in _rows(root / "proc/net/if_inet6") if len(words) > 5 and words[3] == _LINK_LOCAL}
    excluded = re.compile("|".join(f"(?:{pattern})" for pattern in EXCLUDED))
    with contextlib.suppress(OSError):
        for path in sorted((root / "sys/class/net").iterdir()):
            up = _text(path / "operstate") == "up" and _text(path / "type") == _ETHERNET
            if up and not excluded.search(path.name) and not (path / "master").is_symlink():
                yield Link(path.name, _number(path / "mtu") or 0, path.name in local)


def _listening(root: Path) -> Iterator[tuple[str, int]]:
    for name in ("tcp", "tcp6"):
        for words in _rows(root / "proc/net" / name):
            if len(words) > 3 and words[3] == _LISTEN:
                yield "tcp", int(words[1].rsplit(":", 1)[1], 16)


def _is_local(address: str) -> bool:
    """Whether an interface of the node has it: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


async def _proxy_mode() -> str | None:
    timeout = aiohttp.ClientTimeout(total=2)
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(PROXY_MODE_URL) as response:
            if response.status == 200:
                return (await response.text())[:40].strip()
    return None


def _parts(name: str) -> list[str]:
    """ipv4.conf.eth0.100.rp_filter has an interface with a dot in its name."""
    family, kind, *rest = name.split(".")
    return [family, kind, *([".".join(rest[:-1]), rest[-1]] if len(rest) > 1 else rest)]


def _rows(path: Path) -> list[list[str]]:
    return [line.split() for line in (_text(path) or "").splitlines()]


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None

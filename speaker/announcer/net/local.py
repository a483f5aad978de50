"""This node's own addresses on an interface, and which interface leads to the members."""

import fcntl
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path

from lb_controller.model.address import Address
from speaker.announcer.net.interfaces import Interface

_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_DEFAULT = "00000000"
_LINK_LOCAL = "20"  # scope in /proc/net/if_inet6


@dataclass(frozen=True, slots=True)
class Local:
    """The node on one interface: IPv4 address with its network, IPv6 link-local address; None where there is none."""

    interface: Interface
    v4: IPv4Interface | None
    v6: IPv6Address | None

    @property
    def scope(self) -> str:
        """What all members of the link call it, however their interfaces are named."""
        network: IPv4Network | str = self.v4.network if self.v4 is not None else "fe80::/64"
        return str(network)


def local_on(interface: Interface) -> Local:
    """The node's addresses on the interface, as they are now."""
    return Local(interface, _v4(interface.name), _v6(interface.name))


def choose(usable: Collection[Interface], own: Collection[Address], wanted: str) -> Local | None:
    """The interface on which the members meet.

    The one that is `wanted` by name; or the one with one of the node's `own` addresses, with the default route, or
    simply the first that has an address.
    """
    found = [local_on(interface) for interface in sorted(usable, key=lambda interface: interface.name)]
    found = [local for local in found if local.v4 is not None or local.v6 is not None]
    if wanted:
        return next((local for local in found if local.interface.name == wanted), None)
    default = _default_route()
    found.sort(key=lambda local: (not _has(local, own), local.interface.name != default))
    return found[0] if found else None


def _has(local: Local, own: Collection[Address]) -> bool:
    return local.v4 is not None and local.v4.ip in own


def _v4(name: str) -> IPv4Interface | None:
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            address = fcntl.ioctl(any_socket, _SIOCGIFADDR, request)[20:24]
            mask = fcntl.ioctl(any_socket, _SIOCGIFNETMASK, request)[20:24]
        except OSError:
            return None
    return IPv4Interface(f"{IPv4Address(address)}/{IPv4Address(mask)}")


def _v6(name: str) -> IPv6Address | None:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, _, _, scope, _, device = line.split()
        if device == name and scope == _LINK_LOCAL:
            return IPv6Address(bytes.fromhex(number))
    return None


def _default_route() -> str:
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return ""
    routes = [line.split() for line in lines]
    return next((route[0] for route in routes if route[1] == _DEFAULT and route[7] == _DEFAULT), "")


def hardware_of(address: str) -> bytes | None:
    """The hardware address that the kernel knows for a neighbour (IPv4)."""
    try:
        lines = Path("/proc/net/arp").read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words[0] == address and words[3] != "00:00:00:00:00:00":
            return bytes.fromhex(words[3].replace(":", ""))
    return None

"""What the kernel says about the way to a peer, and who is the neighbour on a link. Needs no privilege.

The neighbour of an unnumbered session is found in the kernel's NDP table: a router, as its advertisement told, or the
only link-local neighbour there is. The kernel notes the sender of a Router Advertisement as a router even where it does
not take addresses or routes from it (a node that forwards).
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lb_controller.model.address import Address

_NETLINK_ROUTE = 0
_RTM_GETNEIGH, _RTM_GETROUTE = 30, 26
_REQUEST, _DUMP = 0x001, 0x301  # NLM_F_REQUEST, and with NLM_F_DUMP
_NLMSG_DONE, _NLMSG_ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence number, port
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, interface index, state, flags, type
_ATTRIBUTE = struct.Struct("=HH")
_NDA_DST = 1
_ROUTE = struct.Struct("=8BI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_VIA = 1, 4, 5, 18
_NTF_ROUTER = 0x80
# NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP: nobody is there, or it is no neighbour (multicast).
_ABSENT = 0x01 | 0x20 | 0x40
_LINK_SCOPE = "20"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry of the NDP table; `router` as its advertisements said."""

    address: ipaddress.IPv6Address
    router: bool


class Kernel:
    """The questions that sessions ask; tests put something else in its place."""

    def local_address(self, peer: Address, interface: str) -> Address:
        """The source address that the kernel would use towards `peer`; nothing is sent. Raises OSError."""
        family = socket.AF_INET6 if peer.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if interface:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            scope = socket.if_nametoindex(interface) if peer.is_link_local and peer.version == 6 else 0
            probe.connect((str(peer), 179, 0, scope) if peer.version == 6 else (str(peer), 179))
            text: str = probe.getsockname()[0]
        return ipaddress.ip_address(text.partition("%")[0])

    def neighbours(self, interface: str) -> list[Neighbour]:
        """The link-local neighbours on an interface. Raises OSError, as for an interface that does not exist."""
        index = socket.if_nametoindex(interface)
        own = _own_addresses()
        found = [
            entry
            for entry in neighbour_table(_ask(_RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, 0, 0), _DUMP))
            if entry[0] == index
        ]
        return [Neighbour(address, router) for _, address, router in found if address not in own]

    def on_link(self, peer: Address, interface: str) -> bool:
        """Whether the kernel's route to the peer has no gateway. Without a route: no."""
        index = socket.if_nametoindex(interface) if interface else 0
        try:
            return not has_gateway(_ask(_RTM_GETROUTE, _route_request(peer, index), _REQUEST))
        except OSError:
            return False


def has_gateway(answer: bytes) -> bool:
    """Whether the route in the answer leads over a gateway (rtnetlink(7)). Raises OSError for an error."""
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR:
        raise OSError("the kernel has no route")
    rest = answer[_HEADER.size + _ROUTE.size : length]
    while len(rest) >= _ATTRIBUTE.size:
        size, name = _ATTRIBUTE.unpack_from(rest)
        if name in (_RTA_GATEWAY, _RTA_VIA):
            return True
        rest = rest[max(4, (size + 3) & ~3) :]
    return False


def _route_request(peer: Address, index: int) -> bytes:
    family = socket.AF_INET6 if peer.version == 6 else socket.AF_INET
    request = _ROUTE.pack(family, peer.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    request += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(peer.packed), _RTA_DST) + peer.packed
    return request + (_ATTRIBUTE.pack(8, _RTA_OIF) + struct.pack("=I", index) if index else b"")


def neighbour_table(dump: bytes) -> Iterator[tuple[int, ipaddress.IPv6Address, bool]]:
    """Interface index, address and router flag of every link-local neighbour in the answer to a dump (rtnetlink(7))."""
    while len(dump) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(dump)
        if length < _HEADER.size or kind == _NLMSG_DONE:
            return
        if kind == _NLMSG_ERROR:
            raise OSError("the kernel does not tell its neighbours")
        entry = _entry(dump[_HEADER.size : length])
        if entry is not None:
            yield entry
        dump = dump[(length + 3) & ~3 :]


def _entry(body: bytes) -> tuple[int, ipaddress.IPv6Address, bool] | None:
    family, index, state, flags, _ = _NEIGHBOUR.unpack_from(body)
    if family != socket.AF_INET6 or state & _ABSENT:
        return None
    rest = body[_NEIGHBOUR.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        if kind == _NDA_DST and length == _ATTRIBUTE.size + 16:
            address = ipaddress.IPv6Address(rest[_ATTRIBUTE.size : length])
            return (index, address, bool(flags & _NTF_ROUTER)) if address.is_link_local else None
        rest = rest[max(4, (length + 3) & ~3) :]
    return None


def _ask(kind: int, request: bytes, flags: int) -> bytes:
    """The kernel's whole answer to one question."""
    parts = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as channel:
        channel.settimeout(1.0)
        channel.sendall(_HEADER.pack(_HEADER.size + len(request), kind, flags, 1, 0) + request)
        while True:
            part = channel.recv(65536)
            parts.append(part)
            if flags == _REQUEST or _ends(part):
                return b"".join(parts)


def _ends(part: bytes) -> bool:
    while len(part) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(part)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
            return True
        part = part[(length + 3) & ~3 :]
    return False


def _own_addresses() -> set[ipaddress.IPv6Address]:
    """Link-local addresses of this host: the kernel may list them as neighbours of one another."""
    lines = Path("/proc/net/if_inet6").read_text().splitlines()
    rows = [line.split() for line in lines]
    return {ipaddress.IPv6Address(bytes.fromhex(row[0])) for row in rows if row[3] == _LINK_SCOPE}

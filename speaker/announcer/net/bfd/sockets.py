"""UDP sockets of BFD: one that hears for each port and family, one that speaks for each session (RFC 5881, RFC 5883).

Nothing here needs a privilege: the ports are above 1023, and a socket that is bound to no device yet may be bound to
one by anybody (Linux 5.7).
"""

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from lb_controller.model.address import Address
from speaker.announcer.bfd.demultiplexer import Path

# RFC 5881 4: BFD Control packets MUST be transmitted in UDP packets with destination port 3784. RFC 5883 5: [multihop]
# ... with destination port 4784.
SINGLE_HOP, MULTI_HOP = 3784, 4784
# RFC 5881 4: The source port MUST be in the range 49152 through 65535.
FIRST_SOURCE, LAST_SOURCE = 49152, 65535
# RFC 5881 5: [without authentication] all BFD Control packets for the session MUST be sent with a Time to Live (TTL) or
# Hop Limit value of 255. All received BFD Control packets ... that are demultiplexed to the session MUST be discarded
# if the received TTL or Hop Limit is not equal to 255.
TTL = 255
_NETWORK_CONTROL = 0xC0  # DSCP CS6
_RECEIVE_BYTES = 1024 * 1024
_LARGEST = 256  # bytes; Length has eight bits
_ANCILLARY = 128
_ATTEMPTS = 64
_IP_PKTINFO, _IP_RECVTTL, _SO_BINDTODEVICE = 8, 12, 25
_INTEGER = struct.Struct("@i")
# Control messages (cmsg): the one that holds the TTL, and where the interface's index stands in the other.
_TTL_IN = {(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)}
_INTERFACE_AT = {(socket.IPPROTO_IP, _IP_PKTINFO): 0, (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO): 16}


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP payload: who sent it, on which interface (index) it came, and the TTL or hop limit that was left."""

    payload: bytes
    source: str
    interface: int
    ttl: int


class Receiver:
    """Hears all Control packets of one family on one port. Raises OSError, for example when the port is taken."""

    def __init__(self, version: int, *, multi_hop: bool) -> None:
        self.version, self.multi_hop = version, multi_hop
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            if version == 4:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            self._socket.bind(("", MULTI_HOP if multi_hop else SINGLE_HOP))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Datagram | None:
        """The next packet, None when there is none."""
        try:
            payload, ancillary, _, address = self._socket.recvmsg(_LARGEST, _ANCILLARY)
        except (BlockingIOError, ConnectionError):
            return None
        ttl = interface = 0
        for level, kind, value in ancillary:
            if (level, kind) in _TTL_IN:
                (ttl,) = _INTEGER.unpack_from(value)
            elif (offset := _INTERFACE_AT.get((level, kind))) is not None:
                (interface,) = _INTEGER.unpack_from(value, offset)
        return Datagram(payload, address[0].partition("%")[0], interface, ttl)

    def close(self) -> None:
        self._socket.close()


class Sender:
    """Sends the packets of one session, from one port as long as it lives.

    Interfaces come and go: after an error the socket is made anew for the next packet. `problem` says why the last
    packet could not be sent, "" when it could. `choose(n)` gives a random number below n.
    """

    def __init__(self, path: Path, local: Address | None, choose: Callable[[int], int]) -> None:
        self.path, self.local, self.problem = path, local, ""
        self._choose = choose
        self._port = self._another_port()
        self._socket: socket.socket | None = None
        self._to = (str(path.peer), MULTI_HOP if path.multi_hop else SINGLE_HOP)

    def send(self, packet: bytes) -> bool:
        """Whether the kernel took it."""
        try:
            if self._socket is None:
                self._socket = self._open()
            self._socket.sendto(packet, self._to)
        except OSError as error:
            self.problem = f"cannot send to {self.path.peer}: {error.strerror or error}"
            self.close()
            return False
        self.problem = ""
        return True

    def _another_port(self) -> int:
        return FIRST_SOURCE + self._choose(LAST_SOURCE - FIRST_SOURCE + 1)

    def _open(self) -> socket.socket:
        """The socket, bound to the session's port; to another one when somebody else has that."""
        for _ in range(_ATTEMPTS):
            made = self._make()
            try:
                self._bind(made)
            except OSError as error:
                made.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                self._port = self._another_port()
            else:
                return made
        raise OSError(errno.EADDRINUSE, f"no free source port from {FIRST_SOURCE} to {LAST_SOURCE} was found")

    def _make(self) -> socket.socket:
        family = socket.AF_INET if self.path.peer.version == 4 else socket.AF_INET6
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def _bind(self, made: socket.socket) -> None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # nobody reads here
        index = 0
        if self.path.interface:
            made.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, self.path.interface.encode())
            index = socket.if_nametoindex(self.path.interface)
        host = str(self.local) if self.local is not None else ""
        if self.path.peer.version == 4:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _NETWORK_CONTROL)
            made.bind((host, self._port))
            return
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _NETWORK_CONTROL)
        near = isinstance(self.local, IPv6Address) and self.local.is_link_local
        made.bind((host, self._port, 0, index if near else 0))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

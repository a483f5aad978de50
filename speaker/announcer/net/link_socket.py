"""UDP of the ownership protocol on one interface: to everybody or to one member, from this link only.

IPv4 where the interface has an address (broadcast goes where ARP goes), otherwise IPv6 link-local (all nodes). A
datagram that crossed a router lost its TTL of 255 on the way and is not heeded (RFC 5082).
"""

import socket
import struct

from speaker.announcer.net.local import Local

TTL = 255
_SO_BINDTODEVICE, _IP_RECVTTL = 25, 12
_LARGEST = 2048
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52


class LinkSocket:
    """One socket. Raises OSError when the port is taken or the interface went away."""

    def __init__(self, local: Local, port: int) -> None:
        self.port = port
        self._v4 = local.v4 is not None
        self._index = local.interface.index
        family = socket.AF_INET if self._v4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, local.interface.name.encode() + b"\0")
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._set_v4() if self._v4 else self._set_v6()
        except OSError:
            self._socket.close()
            raise

    def _set_v4(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        self._socket.bind(("", self.port))

    def _set_v6(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, TTL)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self._index)
        self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
        self._socket.bind(("::", self.port))

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, datagram: bytes, to: str | None) -> bool:
        """Send to one address, or (None) to everybody on the link; False when it could not be sent now."""
        try:
            if self._v4:
                self._socket.sendto(datagram, (to or "255.255.255.255", self.port))
            else:
                self._socket.sendto(datagram, (to or "ff02::1", self.port, 0, self._index))
        except OSError:
            return False
        return True

    def receive(self) -> tuple[bytes, str, int] | None:
        """The next datagram, where it came from, and its TTL; None when there is none."""
        try:
            datagram, ancillary, _, source = self._socket.recvmsg(_LARGEST, 64)
        except BlockingIOError:
            return None
        except OSError:
            return None  # the link is down for the moment, or an ICMP error came back
        ttl = 0
        for level, kind, content in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, _IPV6_HOPLIMIT)):
                [ttl] = struct.unpack_from("@i", content)
        return datagram, source[0].partition("%")[0], ttl

    def close(self) -> None:
        self._socket.close()

"""Solicited-node multicast groups: joined, so that switches which snoop MLD forward neighbour solicitations to this
node.

Addresses with the same last 24 bits share a group. A socket takes about 2,300 groups (net.core.optmem_max), then one
more is opened.
"""

import errno
import socket
import struct


class Groups:
    """The groups joined on all interfaces, counted by how many addresses need each."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._joined: dict[tuple[int, bytes], tuple[socket.socket, int]] = {}

    def join(self, interface: int, group: bytes) -> None:
        """One more address on that interface (by index) needs the group. Raises OSError when the interface is gone."""
        key = (interface, group)
        if key in self._joined:
            found, count = self._joined[key]
            self._joined[key] = (found, count + 1)
            return
        option = group + struct.pack("@I", interface)
        for attempt in (self._last(), None):
            chosen = attempt or self._open()
            try:
                chosen.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, option)
            except OSError as error:
                if error.errno != errno.ENOMEM or attempt is None:
                    raise
                continue
            self._joined[key] = (chosen, 1)
            return

    def leave(self, interface: int, group: bytes) -> None:
        """One address less needs the group; an interface that is gone has left by itself."""
        key = (interface, group)
        if key not in self._joined:
            return
        found, count = self._joined.pop(key)
        if count > 1:
            self._joined[key] = (found, count - 1)
            return
        try:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, group + struct.pack("@I", interface))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise

    def close(self) -> None:
        for found in self._sockets:
            found.close()

    def _last(self) -> socket.socket:
        return self._sockets[-1] if self._sockets else self._open()

    def _open(self) -> socket.socket:
        found = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._sockets.append(found)
        return found

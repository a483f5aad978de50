"""Raw packet sockets (packet(7)): one for each interface and ethertype, with the kernel filter attached."""

import ctypes
import errno
import socket
import struct

from speaker.announcer.layer2.filter import NOTHING, Program

_SO_ATTACH_FILTER = 26
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS, _IGNORE_OUTGOING = 263, 1, 6, 23
_ALL_GROUPS = 2  # PACKET_MR_ALLMULTI
_RECEIVE_BYTES = 4 * 1024 * 1024
_LARGEST_FRAME = 2048  # of what is asked for: ARP and NDP are far smaller


class _Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def require_permission() -> None:
    """Raises PermissionError when this process may not open packet sockets."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        raise PermissionError("packet sockets are refused: the announcer needs CAP_NET_RAW") from None


class PacketSocket:
    """Frames of one ethertype on one interface. Raises OSError when the interface went away."""

    def __init__(self, interface: str, ethertype: int) -> None:
        self.interface = interface
        # Protocol 0 receives nothing until the filter is attached and bind names the real one.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            self.attach(NOTHING)
            self._socket.bind((interface, ethertype))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def attach(self, program: Program) -> None:
        """Replace the filter, atomically."""
        instructions = (_Instruction * len(program))(*(_Instruction(*entry) for entry in program))
        whole = _Program(len(program), instructions)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(whole))

    def receive(self) -> bytes | None:
        """The next frame, None when there is none (or the interface is down for the moment)."""
        try:
            return self._socket.recv(_LARGEST_FRAME)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENETDOWN:
                return None
            raise

    def send(self, frame: bytes) -> bool:
        """Send one frame; False when it could not be sent now (queue full, link gone)."""
        try:
            self._socket.send(frame)
        except OSError:
            return False
        return True

    def hear_all_groups(self) -> None:
        """Let the interface pass every multicast frame, while the socket lives."""
        index = socket.if_nametoindex(self.interface)
        self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8x", index, _ALL_GROUPS, 0))

    def lost(self) -> int:
        """Frames that the kernel dropped since the last call, because we were slow."""
        raw = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        lost: int = struct.unpack("II", raw)[1]
        return lost

    def close(self) -> None:
        self._socket.close()

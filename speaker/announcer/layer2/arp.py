"""ARP for IPv4 over Ethernet (RFC 826, RFC 5227): reading requests, writing replies from prepared bytes.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-------------------------------+-------------------------------+
   |     hardware type (1)         |    protocol type (0x0800)     |
   +---------------+---------------+-------------------------------+
   | hw length (6) | pr length (4) |   operation (1 ask, 2 reply)  |
   +---------------+---------------+-------------------------------+
   |        sender hardware address (6)   | sender protocol (4)    |
   +--------------------------------------+------------------------+
   |        target hardware address (6)   | target protocol (4)    |
   +--------------------------------------+------------------------+

after the 14 bytes of Ethernet. Padding behind byte 42 is usual and ignored.
"""

import struct
from dataclasses import dataclass

from speaker.announcer.layer2.malformed import Drop, MalformedPacket

ETHERTYPE = 0x0806
LENGTH = 42  # of the Ethernet header and the packet
BROADCAST = b"\xff" * 6
_ETHERNET_IPV4 = struct.pack("!HHBB", 1, 0x0800, 6, 4)
_REQUEST, _REPLY = struct.pack("!H", 1), struct.pack("!H", 2)


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for which address: hardware addresses of 6 bytes, protocol addresses of 4."""

    sender_hardware: bytes
    sender: bytes
    target: bytes


def parse_request(frame: bytes, mac: bytes) -> Request:
    """Read a request that came in on the interface with hardware address `mac`. Raises MalformedPacket."""
    if len(frame) < LENGTH:
        raise MalformedPacket(Drop.TRUNCATED)
    if frame[12:14] != b"\x08\x06" or frame[14:20] != _ETHERNET_IPV4:
        raise MalformedPacket(Drop.NOT_ETHERNET_IPV4)
    if frame[20:22] != _REQUEST:
        raise MalformedPacket(Drop.NOT_A_REQUEST)
    if frame[0:6] not in (BROADCAST, mac):
        raise MalformedPacket(Drop.NOT_FOR_US)
    sender_hardware = frame[22:28]
    if sender_hardware[0] & 1 or sender_hardware == b"\0" * 6:
        raise MalformedPacket(Drop.BAD_SENDER)  # a group address, or none, cannot be answered
    return Request(sender_hardware, frame[28:32], frame[38:42])


@dataclass(frozen=True, slots=True)
class PreparedReply:
    """The constant bytes of every reply for one address from one interface."""

    middle: bytes

    def to(self, request: Request) -> bytes:
        """The reply to one request: 42 bytes."""
        return request.sender_hardware + self.middle + request.sender_hardware + request.sender


def prepare(reply: bytes) -> PreparedReply:
    """Cut a whole reply frame, as it was built once, into what stays the same for every asker."""
    if len(reply) < LENGTH or reply[20:22] != _REPLY:
        raise ValueError("not an ARP reply")
    return PreparedReply(reply[6:32])

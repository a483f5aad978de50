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

from speaker.announcer.layer2.ethernet import BROADCAST, is_host, refuse_header
from speaker.announcer.layer2.malformed import Drop, MalformedPacket

ETHERTYPE = 0x0806
LENGTH = 42  # of the Ethernet header and the packet
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
    refuse_header(frame, mac)
    if len(frame) < LENGTH:
        raise MalformedPacket(Drop.TRUNCATED)
    if frame[12:14] != b"\x08\x06" or frame[14:20] != _ETHERNET_IPV4:
        raise MalformedPacket(Drop.NOT_ETHERNET_IPV4)
    if frame[20:22] != _REQUEST:
        raise MalformedPacket(Drop.NOT_A_REQUEST)
    if frame[0:6] not in (BROADCAST, mac):
        raise MalformedPacket(Drop.NOT_FOR_US)
    request = Request(frame[22:28], frame[28:32], frame[38:42])
    if not is_host(request.sender_hardware):
        raise MalformedPacket(Drop.BAD_SENDER)
    # RFC 5227 1.1: an ARP Announcement has both addresses set to the same; it claims, it does not ask.
    if request.sender == request.target:
        raise MalformedPacket(Drop.CLAIM)
    return request


@dataclass(frozen=True, slots=True)
class Observation:
    """An ARP packet of somebody else, whatever it is: who says so, about which address; `asks`: it is a request."""

    hardware: bytes
    sender: bytes
    target: bytes
    asks: bool

    @property
    def claims(self) -> bool:
        """RFC 5227 1.1: an announcement, by request or by reply."""
        return self.sender == self.target


def observe(frame: bytes) -> Observation | None:
    """What the frame says about the use of addresses, None when it is no ARP for Ethernet and IPv4."""
    if len(frame) < LENGTH or frame[12:14] != b"\x08\x06" or frame[14:20] != _ETHERNET_IPV4:
        return None
    if frame[20:22] not in (_REQUEST, _REPLY) or not is_host(frame[22:28]):
        return None
    return Observation(frame[22:28], frame[28:32], frame[38:42], frame[20:22] == _REQUEST)


def question(mac: bytes, sender: bytes, target: bytes) -> bytes:
    """A request for `target` from this node's own address `sender` (4 bytes each)."""
    return BROADCAST + mac + b"\x08\x06" + _ETHERNET_IPV4 + _REQUEST + mac + sender + b"\0" * 6 + target


@dataclass(frozen=True, slots=True)
class PreparedReply:
    """The constant bytes of every reply for one address from one interface."""

    middle: bytes

    def to(self, request: Request) -> bytes:
        """The reply to one request: 42 bytes."""
        return request.sender_hardware + self.middle + request.sender_hardware + request.sender


def prepare(reply: bytes) -> PreparedReply:
    """Cut a whole reply frame, as it was built, into what stays the same for every asker."""
    if len(reply) < LENGTH or reply[20:22] != _REPLY:
        raise ValueError("not an ARP reply")
    return PreparedReply(reply[6:32])


def with_address(frame: bytes, address: bytes) -> bytes:
    """A gratuitous frame for the address (4 bytes): the same as `frame`, which was built for another one."""
    return frame[:28] + address + frame[32:38] + address + frame[LENGTH:]

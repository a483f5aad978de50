"""Neighbour Discovery for IPv6 (RFC 4861, RFC 4862): reading solicitations, writing advertisements from prepared bytes.

A Neighbor Solicitation behind 14 bytes of Ethernet and 40 of IPv6:

   +---------------+---------------+-------------------------------+
   |  type (135)   |   code (0)    |           checksum            |
   +---------------+---------------+-------------------------------+
   |                           reserved                            |
   +---------------------------------------------------------------+
   |                      target address (16)                      |
   +---------------------------------------------------------------+
   |  options: type, length in units of 8 bytes, value ...

The option Source Link-Layer Address (1) is used when it is there, and never demanded: a unicast probe of Neighbour
Unreachability Detection comes without it and must be answered all the same.
"""

import struct
from dataclasses import dataclass

from speaker.announcer.layer2.ethernet import is_host, refuse_header
from speaker.announcer.layer2.malformed import Drop, MalformedPacket

ETHERTYPE = 0x86DD
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_NODES_MAC = bytes.fromhex("333300000001")
UNSPECIFIED = b"\0" * 16
_IPV6, _ICMP, _TARGET, _OPTIONS = 14, 54, 62, 78
_SOLICITED = 0x40  # in the first byte of the flags of an advertisement


@dataclass(frozen=True, slots=True)
class Solicitation:
    """Who asks: hardware address to answer to (6 bytes), source address (16, :: for a duplicate-address probe)."""

    hardware: bytes
    source: bytes
    target: bytes

    @property
    def probe(self) -> bool:
        """RFC 4862 5.4: Duplicate Address Detection asks from the unspecified address."""
        return self.source == UNSPECIFIED


def solicited_node(address: bytes) -> bytes:
    """RFC 4291 2.7.1: the multicast group of the solicitations for an address."""
    return bytes.fromhex("ff0200000000000000000001ff") + address[13:16]


def multicast_mac(group: bytes) -> bytes:
    """RFC 2464 7: the Ethernet address of an IPv6 group."""
    return b"\x33\x33" + group[12:16]


def parse_solicitation(frame: bytes, mac: bytes) -> Solicitation:
    """Read a solicitation that came in on the interface with hardware address `mac`. Raises MalformedPacket."""
    refuse_header(frame, mac)
    end = _check_message(frame)
    source, destination, target = frame[22:38], frame[38:54], frame[_TARGET:_OPTIONS]
    if target[0] == 0xFF:
        raise MalformedPacket(Drop.BAD_TARGET)
    _check_destination(frame, destination, target, mac)
    option = _source_link_layer(frame[_OPTIONS:end])
    # RFC 4861 7.1.1: "If the IP source address is the unspecified address, the IP destination address is a
    # solicited-node multicast address" and "there is no source link-layer address option in the message."
    if source[0] == 0xFF or (source == UNSPECIFIED and (option or destination != solicited_node(target))):
        raise MalformedPacket(Drop.BAD_SOURCE)
    if source == target:
        raise MalformedPacket(Drop.CLAIM)
    hardware = option or frame[6:12]
    if not is_host(hardware):
        raise MalformedPacket(Drop.BAD_SENDER)
    return Solicitation(hardware, source, target)


def _check_message(frame: bytes) -> int:
    """That the frame holds a whole solicitation; returns where it ends."""
    if len(frame) < _OPTIONS:
        raise MalformedPacket(Drop.TRUNCATED)
    if frame[12:14] != b"\x86\xdd" or frame[14] >> 4 != 6 or frame[20] != 58 or frame[_ICMP] != 135:
        raise MalformedPacket(Drop.NOT_A_REQUEST)
    length: int = struct.unpack_from("!H", frame, 18)[0]
    end = _ICMP + length
    # RFC 4861 7.1.1: "ICMP length (derived from the IP length) is 24 or more octets."
    if length < 24 or len(frame) < end:
        raise MalformedPacket(Drop.TRUNCATED)
    # RFC 4861 7.1.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been
    # forwarded by a router."
    if frame[21] != 255:
        raise MalformedPacket(Drop.BAD_HOP_LIMIT)
    # RFC 4861 7.1.1: "ICMP Code is 0."
    if frame[_ICMP + 1] != 0:
        raise MalformedPacket(Drop.BAD_CODE)
    if checksum(frame[22:54], frame[_ICMP:end]) != 0:
        raise MalformedPacket(Drop.BAD_CHECKSUM)
    return end


def _check_destination(frame: bytes, destination: bytes, target: bytes, mac: bytes) -> None:
    group = solicited_node(target)
    if destination == group:
        if frame[0:6] not in (multicast_mac(group), mac):
            raise MalformedPacket(Drop.NOT_FOR_US)
    elif destination != target or frame[0:6] != mac:
        raise MalformedPacket(Drop.NOT_FOR_US)


def _source_link_layer(options: bytes) -> bytes | None:
    """The Source Link-Layer Address, if any. RFC 4861 7.1.1: all options have a length greater than zero."""
    found = None
    while options:
        if len(options) < 8 or options[1] == 0 or len(options) < options[1] * 8:
            raise MalformedPacket(Drop.BAD_OPTION)
        if options[0] == 1 and options[1] == 1:
            found = options[2:8]
        options = options[options[1] * 8 :]
    return found


def checksum(addresses: bytes, payload: bytes) -> int:
    """The ICMPv6 checksum (RFC 4443 2.3) with pseudo-header; 0 over a message that has its right checksum."""
    if len(payload) % 2:
        payload += b"\0"
    total: int = sum(struct.unpack(f"!{len(addresses) // 2}H", addresses)) + len(payload) + 58
    total += sum(struct.unpack(f"!{len(payload) // 2}H", payload))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True, slots=True)
class Observation:
    """A neighbour advertisement of somebody else: from which hardware address, for which address, in answer or not."""

    hardware: bytes
    target: bytes
    solicited: bool


def observe(frame: bytes) -> Observation | None:
    """What the frame says about the use of an address, None when it is no sound neighbour advertisement."""
    if len(frame) < _OPTIONS or frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[_ICMP] != 136:
        return None
    end = _ICMP + struct.unpack_from("!H", frame, 18)[0]
    if len(frame) < end or end < _OPTIONS or frame[21] != 255 or checksum(frame[22:54], frame[_ICMP:end]) != 0:
        return None
    if not is_host(frame[6:12]):
        return None
    return Observation(frame[6:12], frame[_TARGET:_OPTIONS], bool(frame[58] & _SOLICITED))


def question(mac: bytes, sender: bytes, target: bytes) -> bytes:
    """A solicitation for `target` from this node's own address `sender` (16 bytes each)."""
    group = solicited_node(target)
    icmp = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac
    number = checksum(sender + group, icmp)
    head = struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + sender + group
    return multicast_mac(group) + mac + b"\x86\xdd" + head + icmp[:2] + struct.pack("!H", number) + icmp[4:]


@dataclass(frozen=True, slots=True)
class PreparedAdvertisement:
    """Advertisements for one address from one interface: to everybody, and the parts of the one to an asker."""

    unsolicited: bytes
    head: bytes  # Ethernet behind the destination, and IPv6 up to its destination
    body: bytes  # ICMPv6 with the Solicited flag and a checksum of zero

    def to(self, asked: Solicitation) -> bytes:
        """The answer to one solicitation."""
        # RFC 4861 7.2.4: "If the source of the solicitation is the unspecified address, the node MUST set the
        # Solicited flag to zero and multicast the advertisement to the all-nodes address."
        if asked.probe:
            return self.unsolicited
        head, body = self.head + asked.source, self.body
        number = checksum(head[16:48], body)
        return asked.hardware + head + body[:2] + struct.pack("!H", number) + body[4:]


def prepare(unsolicited: bytes) -> PreparedAdvertisement:
    """Cut an unsolicited advertisement, as it was built, into what stays the same for every asker."""
    if len(unsolicited) < _OPTIONS or unsolicited[_ICMP] != 136:
        raise ValueError("not a neighbour advertisement")
    icmp = bytearray(unsolicited[_ICMP:])
    icmp[2:4] = b"\0\0"
    icmp[4] |= _SOLICITED
    return PreparedAdvertisement(unsolicited, unsolicited[6:38], bytes(icmp))


def with_address(unsolicited: bytes, address: bytes) -> bytes:
    """An unsolicited advertisement for the address (16 bytes), from `unsolicited`, which was built for another one."""
    frame = unsolicited[:22] + address + unsolicited[38:56] + b"\0\0" + unsolicited[58:_TARGET] + address
    frame += unsolicited[_OPTIONS:]
    return frame[:56] + struct.pack("!H", checksum(frame[22:_ICMP], frame[_ICMP:])) + frame[58:]

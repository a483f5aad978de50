"""Ethernet as ARP and NDP use it: the header, and which frames are meant for this host.

The kernel takes an 802.1Q tag off before a packet socket sees the frame, so a question from another VLAN looks like one
of ours. It marks such a frame as meant for another host; the kernel filter (filter.py) cuts frames with that mark to
their header, and a header alone says why the frame is not answered.
"""

from speaker.announcer.layer2.malformed import Drop, MalformedPacket

HEADER = 14  # bytes: destination, source, type
BROADCAST = b"\xff" * 6
_NOTHING = b"\0" * 6


def refuse_header(frame: bytes, mac: bytes) -> None:
    """Raises MalformedPacket for a frame that the filter cut to its header."""
    if len(frame) == HEADER:
        tagged = frame[0] & 1 or frame[0:6] == mac
        raise MalformedPacket(Drop.VLAN_TAGGED if tagged else Drop.NOT_FOR_US)


def is_host(mac: bytes) -> bool:
    """Whether the address belongs to one host: neither a group nor nothing."""
    return not mac[0] & 1 and mac != _NOTHING

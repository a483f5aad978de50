"""The BFD Control packet (RFC 5880 4.1), read and written. Intervals are in microseconds, as on the wire.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                       My Discriminator                        |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                      Your Discriminator                       |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                    Desired Min TX Interval                    |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                   Required Min RX Interval                    |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                 Required Min Echo RX Interval                 |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

and, when A is set, the Authentication Section: Auth Type, Auth Len (of the section), and what the type says.
Bytes behind Length belong to nobody and are ignored.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from speaker.announcer.bfd.malformed import Drop, MalformedPacket

VERSION = 1
_CONTROL = struct.Struct("!BBBBIIIII")
LENGTH = _CONTROL.size  # 24
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class State(IntEnum):
    """Of a session, and as the peer says it."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why the session changed its state last (RFC 5880 4.1); other numbers may be received."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


@dataclass(frozen=True, slots=True)
class Section:
    """The Authentication Section: its type, and everything behind Auth Len."""

    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Control:
    """One BFD Control packet, with the fields' own names."""

    state: State
    detect_mult: int
    my_discriminator: int
    your_discriminator: int = 0
    desired_min_tx: int = 1_000_000
    required_min_rx: int = 1_000_000
    required_min_echo_rx: int = 0
    diagnostic: int = Diagnostic.NONE
    poll: bool = False
    final: bool = False
    control_plane_independent: bool = False
    demand: bool = False
    section: Section | None = None


_STATES = tuple(State)


def parse(payload: bytes) -> Control:
    """Read a UDP payload: the checks of RFC 5880 6.8.6 that need no session, in its order. Raises MalformedPacket."""
    if len(payload) < LENGTH:
        raise MalformedPacket(Drop.TRUNCATED)
    first, flags, mult, length, mine, yours, transmit, receive, echo = _CONTROL.unpack_from(payload)
    # If the version number is not correct (1), the packet MUST be discarded.
    if first >> 5 != VERSION:
        raise MalformedPacket(Drop.BAD_VERSION)
    # If the Length field is less than the minimum correct value (24 if the A bit is clear, or 26 if the A bit is set),
    # the packet MUST be discarded.
    if length < (LENGTH + 2 if flags & _AUTHENTICATED else LENGTH):
        raise MalformedPacket(Drop.BAD_LENGTH)
    # If the Length field is greater than the payload of the encapsulating protocol, the packet MUST be discarded.
    if length > len(payload):
        raise MalformedPacket(Drop.LENGTH_BEYOND_PAYLOAD)
    _refuse(flags, mult, mine, yours)
    return Control(
        state=_STATES[flags >> 6],
        detect_mult=mult,
        my_discriminator=mine,
        your_discriminator=yours,
        desired_min_tx=transmit,
        required_min_rx=receive,
        required_min_echo_rx=echo,
        diagnostic=first & 0x1F,
        poll=bool(flags & _POLL),
        final=bool(flags & _FINAL),
        control_plane_independent=bool(flags & _INDEPENDENT),
        demand=bool(flags & _DEMAND),
        section=_section(payload[LENGTH:length]) if flags & _AUTHENTICATED else None,
    )


def _refuse(flags: int, mult: int, mine: int, yours: int) -> None:
    # If the Detect Mult field is zero, the packet MUST be discarded.
    if mult == 0:
        raise MalformedPacket(Drop.ZERO_DETECT_MULTIPLIER)
    # If the Multipoint (M) bit is nonzero, the packet MUST be discarded.
    if flags & _MULTIPOINT:
        raise MalformedPacket(Drop.MULTIPOINT)
    # If the My Discriminator field is zero, the packet MUST be discarded.
    if mine == 0:
        raise MalformedPacket(Drop.ZERO_MY_DISCRIMINATOR)
    # If the Your Discriminator field is zero and the State field is not Down or AdminDown, the packet MUST be
    # discarded.
    if yours == 0 and flags >> 6 not in (State.DOWN, State.ADMIN_DOWN):
        raise MalformedPacket(Drop.ZERO_YOUR_DISCRIMINATOR)


def _section(raw: bytes) -> Section:
    # 6.7.2 to 6.7.4 discard a packet whose Auth Len is not that of its type; more than one section there is not.
    if raw[1] != len(raw):
        raise MalformedPacket(Drop.BAD_AUTHENTICATION_LENGTH)
    return Section(raw[0], raw[2:])


def encode(control: Control) -> bytes:
    """The bytes of a packet."""
    flags = (
        control.state << 6
        | control.poll << 5
        | control.final << 4
        | control.control_plane_independent << 3
        | (control.section is not None) << 2
        | control.demand << 1
    )
    section = b""
    if control.section is not None:
        section = bytes((control.section.type, len(control.section.body) + 2)) + control.section.body
    head = _CONTROL.pack(
        VERSION << 5 | control.diagnostic,
        flags,
        control.detect_mult,
        LENGTH + len(section),
        control.my_discriminator,
        control.your_discriminator,
        control.desired_min_tx,
        control.required_min_rx,
        control.required_min_echo_rx,
    )
    return head + section

"""What is fuzzed: each target takes any bytes and may raise nothing; what it checks beyond that it asserts."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from lb_controller.model import wire
from lb_controller.model.config import Origin
from lb_controller.model.parse import core
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from speaker.announcer.bfd import authentication
from speaker.announcer.bfd.malformed import MalformedPacket as BadControl
from speaker.announcer.bfd.packet import encode as encode_control
from speaker.announcer.bfd.packet import parse as parse_control
from speaker.announcer.layer2 import arp, ndp
from speaker.announcer.layer2.malformed import MalformedPacket as BadFrame
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.malformed import MalformedPacket as BadDatagram
from speaker.bgp.events import event_of

VECTORS = Path(__file__).parent / "vectors"
MAC = bytes.fromhex("020000000001")
KEYRING = Keyring({0: b"key"}, 0, cluster="c", link="l")
SHA1 = authentication.Authentication(authentication.AuthType.METICULOUS_KEYED_SHA1, (authentication.Key(1, b"secret"),))
_LENGTH_AT, _SEALED = 6, 16  # where a datagram of the ownership protocol says its length; bytes of its MAC


def arp_frame(data: bytes) -> None:
    """A frame on a socket that hears ARP (RFC 826)."""
    arp.observe(data)
    with contextlib.suppress(BadFrame):
        request = arp.parse_request(data, MAC)
        assert len(request.target) == 4


def ndp_frame(data: bytes) -> None:
    """A frame on a socket that hears neighbour discovery (RFC 4861)."""
    ndp.observe(data)
    with contextlib.suppress(BadFrame):
        asked = ndp.parse_solicitation(data, MAC)
        assert len(asked.target) == 16


def bfd_packet(data: bytes) -> None:
    """The payload of a BFD Control packet (RFC 5880 4); what was read is written so that it is read again."""
    with contextlib.suppress(BadControl):
        control = parse_control(data)
        assert parse_control(encode_control(control)) == control
        authentication.check(data, control.section, SHA1)


def ownership_datagram(data: bytes) -> None:
    """A datagram of the announcers whose length and MAC are right; one value has one encoding."""
    with contextlib.suppress(BadDatagram):
        decode(data, KEYRING)
    if len(data) < _LENGTH_AT + 2:
        return
    content = data[:_LENGTH_AT] + struct.pack("!H", len(data) + _SEALED) + data[_LENGTH_AT + 2 :]
    datagram = content + KEYRING.mac(0, content)
    with contextlib.suppress(BadDatagram):
        assert encode(decode(datagram, KEYRING), KEYRING) == datagram


def daemon_line(data: bytes) -> None:
    """A line that the BGP daemon writes."""
    event_of(data.decode(errors="replace"))


def service(data: bytes) -> None:
    """A Service as the API server sends it."""
    with contextlib.suppress(ValueError, msgspec.DecodeError):
        core.service(msgspec.json.decode(data, type=wire.Service))


def endpoint_slice(data: bytes) -> None:
    """An EndpointSlice as the API server sends it."""
    with contextlib.suppress(ValueError, msgspec.DecodeError):
        core.endpoint_slice(msgspec.json.decode(data, type=wire.EndpointSlice))


def pool(data: bytes) -> None:
    """An IPAddressPool, whatever is in it: what is wrong is a problem that is told."""
    try:
        found = msgspec.json.decode(data)
    except (ValueError, msgspec.DecodeError):
        return
    if isinstance(found, dict):
        parse_config([RawObject("IPAddressPool", Origin.HERALDLB, found)])


TARGETS: dict[str, Callable[[bytes], None]] = {
    found.__name__: found
    for found in (
        arp_frame,
        ndp_frame,
        bfd_packet,
        ownership_datagram,
        daemon_line,
        service,
        endpoint_slice,
        pool,
    )
}

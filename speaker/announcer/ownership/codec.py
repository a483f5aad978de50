"""The bytes of the ownership protocol: every datagram authenticated, read strictly, refused with a reason.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +---------------+---------------+---------------+---------------+
   |      "H"      |      "L"      |  version (1)  |     type      |
   +---------------+---------------+---------------+---------------+
   |     flags     |    key id     |    length of the datagram     |
   +---------------+---------------+-------------------------------+
   |                 sender: sha256(node name)[:8]                 |
   |                    boot of the sender (8)                     |
   |                   number in that boot (8)                     |
   |                    Lamport number (8)                         |
   |                    echo: a boot, or 0 (8)                     |
   |                    echo: its last number (8)                  |
   +---------------------------------------------------------------+
   |                           body ...                            |
   +---------------------------------------------------------------+
   |           HMAC-SHA256 truncated to 128 bits (16)              |
   +---------------------------------------------------------------+

The MAC covers the cluster's UID and the link's name too (keyring.py): a datagram proves nothing elsewhere.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from speaker.announcer.ownership.keyring import MAC_LENGTH, Keyring
from speaker.announcer.ownership.malformed import Drop, MalformedPacket
from speaker.announcer.ownership.messages import (
    Alive,
    Bequest,
    Betters,
    Body,
    Claim,
    Claims,
    Flag,
    Header,
    Hello,
    Message,
    Owner,
    Releases,
    Suspect,
    Why,
    Yields,
)

LARGEST: Final = 1400  # bytes of a datagram: fits into every Ethernet with room for tunnels
_HEADER = struct.Struct("!2sBBBBHQQQQQQ")
_HELLO = struct.Struct("!IQ")  # count, digest
_NODE = struct.Struct("!QQ")  # node, boot
_RANGE = struct.Struct("!16s16s")  # low, high
_CLAIM = struct.Struct("!16sBxHI")  # address, strength, stamp (48 bits)
_RELEASE = struct.Struct("!16sB7x")  # address, reason
_OWNER = struct.Struct("!16sQBBHI")  # address, owner, strength, vouched, stamp
_BEQUEST = struct.Struct("!16sBxHIQ")  # address, strength, stamp, heir

_ROOM = LARGEST - _HEADER.size - MAC_LENGTH
CLAIMS_AT_MOST: Final = (_ROOM - _RANGE.size) // _CLAIM.size
RELEASES_AT_MOST: Final = _ROOM // _RELEASE.size
BETTERS_AT_MOST: Final = _ROOM // _OWNER.size
YIELDS_AT_MOST: Final = _ROOM // _BEQUEST.size


def encode(message: Message, keyring: Keyring) -> bytes:
    """The datagram. Raises ValueError when it would be longer than LARGEST: whoever makes messages cuts them."""
    kind, body = _encode_body(message.body)
    length = _HEADER.size + len(body) + MAC_LENGTH
    if length > LARGEST:
        raise ValueError(f"{type(message.body).__name__} of {length} bytes, at most {LARGEST} fit")
    it = message.header
    numbers = (it.sender, it.boot, it.seq, it.lamport, it.echo_boot, it.echo_seq)
    start = _HEADER.pack(b"HL", 1, kind, it.flags, keyring.current, length, *numbers)
    return start + body + keyring.mac(keyring.current, start + body)


def decode(datagram: bytes, keyring: Keyring) -> Message:
    """Read a datagram, authenticated. Raises MalformedPacket and nothing else."""
    if not _HEADER.size + MAC_LENGTH <= len(datagram) <= LARGEST:
        raise MalformedPacket(Drop.LENGTH)
    magic, version, kind, flags, key_id, length, *numbers = _HEADER.unpack_from(datagram)
    if magic != b"HL":
        raise MalformedPacket(Drop.NOT_OURS)
    if version != 1:
        raise MalformedPacket(Drop.VERSION)
    if length != len(datagram):
        raise MalformedPacket(Drop.LENGTH)
    keyring.check(key_id, datagram)
    sender, boot, seq, lamport, echo_boot, echo_seq = numbers
    reader = _READERS.get(kind)
    if reader is None:
        raise MalformedPacket(Drop.UNKNOWN_TYPE)
    if flags & ~Flag.ALL or lamport >> 48 or not boot:
        raise MalformedPacket(Drop.BAD_BODY)
    raw = datagram[_HEADER.size : -MAC_LENGTH]
    body = reader(raw)
    # One value has one encoding: reserved bytes are zero and nothing hides in them.
    if _encode_body(body)[1] != raw:
        raise MalformedPacket(Drop.BAD_BODY)
    return Message(Header(sender, boot, seq, lamport, flags, echo_boot, echo_seq), body)


# --- writing


def _encode_body(body: Body) -> tuple[int, bytes]:
    match body:
        case Hello(count, digest):
            return 1, _HELLO.pack(count, digest)
        case Suspect(node, boot):
            return 2, _NODE.pack(node, boot)
        case Alive(node, boot):
            return 3, _NODE.pack(node, boot)
        case Claims(entries, low, high):
            rows = (_CLAIM.pack(key, strength, *_halves(stamp)) for key, (strength, stamp) in entries)
            return 4, _RANGE.pack(low, high) + b"".join(rows)
        case Releases(releases):
            return 5, b"".join(_RELEASE.pack(key, why) for key, why in releases)
        case Betters(owners):
            return 6, b"".join(
                _OWNER.pack(key, node, claim.strength, vouched, *_halves(claim.stamp))
                for key, (node, claim, vouched) in owners
            )
        case Yields(bequests):
            return 7, b"".join(
                _BEQUEST.pack(key, claim.strength, *_halves(claim.stamp), heir) for key, (claim, heir) in bequests
            )


def _halves(stamp: int) -> tuple[int, int]:
    return stamp >> 32, stamp & 0xFFFFFFFF


def claim_bytes(key: bytes, claim: Claim) -> bytes:
    """A claim as CLAIM carries it: what the digest of claims is made of."""
    return _CLAIM.pack(key, claim.strength, *_halves(claim.stamp))


# --- reading: each raises MalformedPacket


def _rows(layout: struct.Struct, body: bytes, *, empty: bool = False) -> Iterator[tuple[Any, ...]]:
    if len(body) % layout.size or not (body or empty):
        raise MalformedPacket(Drop.BAD_BODY)
    return layout.iter_unpack(body)


def _claim(strength: int, high: int, low: int) -> Claim:
    if strength > 1:
        raise MalformedPacket(Drop.BAD_BODY)
    return Claim(strength, high << 32 | low)


def _exactly(layout: struct.Struct, body: bytes) -> tuple[int, int]:
    if len(body) != layout.size:
        raise MalformedPacket(Drop.BAD_BODY)
    first, second = layout.unpack(body)
    return first, second


def _read_hello(body: bytes) -> Hello:
    return Hello(*_exactly(_HELLO, body))


def _read_suspect(body: bytes) -> Suspect:
    return Suspect(*_exactly(_NODE, body))


def _read_alive(body: bytes) -> Alive:
    return Alive(*_exactly(_NODE, body))


def _read_claims(body: bytes) -> Claims:
    if len(body) < _RANGE.size:
        raise MalformedPacket(Drop.BAD_BODY)
    low, high = _RANGE.unpack_from(body)
    rows = _rows(_CLAIM, body[_RANGE.size :], empty=low <= high)
    entries = tuple((key, _claim(*numbers)) for key, *numbers in rows)
    if low <= high and any(not low <= key <= high for key, _ in entries):
        raise MalformedPacket(Drop.BAD_BODY)
    return Claims(entries, low, high)


def _read_releases(body: bytes) -> Releases:
    try:
        return Releases(tuple((key, Why(why)) for key, why in _rows(_RELEASE, body)))
    except ValueError:
        raise MalformedPacket(Drop.BAD_BODY) from None


def _read_betters(body: bytes) -> Betters:
    entries = []
    for key, node, strength, vouched, high, low in _rows(_OWNER, body):
        if vouched > 1:
            raise MalformedPacket(Drop.BAD_BODY)
        entries.append((key, Owner(node, _claim(strength, high, low), bool(vouched))))
    return Betters(tuple(entries))


def _read_yields(body: bytes) -> Yields:
    rows = _rows(_BEQUEST, body)
    return Yields(tuple((key, Bequest(_claim(strength, high, low), heir)) for key, strength, high, low, heir in rows))


_READERS: dict[int, Callable[[bytes], Body]] = {
    1: _read_hello,
    2: _read_suspect,
    3: _read_alive,
    4: _read_claims,
    5: _read_releases,
    6: _read_betters,
    7: _read_yields,
}

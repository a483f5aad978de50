"""Authentication of BFD Control packets (RFC 5880 6.7): what is sent is sealed, what comes is checked.

Simple Password (4.2):                       Keyed and Meticulous Keyed MD5 (4.3, 16 bytes), SHA1 (4.4, 20 bytes):

   +---------------+---------------+------------------+   +---------------+---------------+----------------+----------+
   | Auth Type (1) |   Auth Len    |   Auth Key ID    |   | Auth Type     |   Auth Len    |  Auth Key ID   | Reserved |
   +---------------+---------------+------------------+   +---------------+---------------+----------------+----------+
   |  Password, 1 to 16 bytes ...                     |   |                     Sequence Number                       |
   +--------------------------------------------------+   +-----------------------------------------------------------+
                                                          |  Auth Key/Digest ...                                      |
                                                          +-----------------------------------------------------------+

Several keys may be accepted at once, and the first seals: so a key is changed without a flap.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.packet import LENGTH, Control, Section, encode

CIRCLE = 1 << 32  # sequence numbers
_KEYED = struct.Struct("!BBI")  # key ID, reserved, sequence number
_HEAD = 2 + _KEYED.size  # of a keyed section, before its digest


class AuthType(IntEnum):
    """RFC 5880 4.1. Meticulous: every packet has a number of its own, so none can be replayed."""

    SIMPLE_PASSWORD = 1
    KEYED_MD5 = 2
    METICULOUS_KEYED_MD5 = 3
    KEYED_SHA1 = 4
    METICULOUS_KEYED_SHA1 = 5

    @property
    def meticulous(self) -> bool:
        return self in (AuthType.METICULOUS_KEYED_MD5, AuthType.METICULOUS_KEYED_SHA1)

    @property
    def longest(self) -> int:
        """Bytes of the longest key."""
        return 20 if self >= AuthType.KEYED_SHA1 else 16


@dataclass(frozen=True, slots=True)
class Key:
    """A shared secret and the number by which packets name it."""

    id: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a session is authenticated; the first key seals, each is accepted. Raises ValueError for a wrong key."""

    type: AuthType
    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("BFD authentication needs a key")
        for key in self.keys:
            if not 0 <= key.id <= 255:
                raise ValueError(f"the BFD key ID {key.id} is not between 0 and 255")
            # The password is a binary string, and MUST be from 1 to 16 bytes in length.
            if not 1 <= len(key.secret) <= self.type.longest:
                raise ValueError(f"the BFD key {key.id} has {len(key.secret)} bytes, not 1 to {self.type.longest}")


def _digest(type_: AuthType, packet: bytes) -> bytes:
    hashing: Callable[..., Any] = hashlib.sha1 if type_ >= AuthType.KEYED_SHA1 else hashlib.md5
    digest: bytes = hashing(packet, usedforsecurity=False).digest()
    return digest


def seal(control: Control, authentication: Authentication, sequence: int) -> bytes:
    """The bytes of the packet with its Authentication Section."""
    key, kind = authentication.keys[0], authentication.type
    if kind is AuthType.SIMPLE_PASSWORD:
        # The currently selected password and Key ID for the session MUST be stored in the Authentication Section of
        # each outgoing BFD Control packet.
        return encode(replace(control, section=Section(kind, bytes((key.id,)) + key.secret)))
    # The authentication key value is a binary string ..., and MUST be placed into the Auth Key/Digest field, padded
    # with trailing zero bytes as necessary. A digest MUST be calculated over the entire BFD Control packet, [and
    # replaces] the secret key, which MUST NOT be carried in the packet.
    padded = key.secret.ljust(kind.longest, b"\0")
    packet = encode(replace(control, section=Section(kind, _KEYED.pack(key.id, 0, sequence) + padded)))
    return packet[: -kind.longest] + _digest(kind, packet)


def check(payload: bytes, section: Section | None, authentication: Authentication | None) -> int | None:
    """Whether a packet is authentic, and its sequence number (None: has none). Raises MalformedPacket.

    RFC 5880 looks at the sequence number first; here the digest is checked before anything of the packet is believed.
    """
    if authentication is None:
        # If the A bit is set and no authentication is in use (bfd.AuthType is zero), the packet MUST be discarded.
        if section is not None:
            raise MalformedPacket(Drop.UNEXPECTED_AUTHENTICATION)
        return None
    # If the A bit is clear and authentication is in use (bfd.AuthType is nonzero), the packet MUST be discarded.
    if section is None:
        raise MalformedPacket(Drop.MISSING_AUTHENTICATION)
    # If the received BFD Control packet does not contain an Authentication Section, or the Auth Type is not [the one
    # in use], then the received packet MUST be discarded.
    if section.type != authentication.type:
        raise MalformedPacket(Drop.WRONG_AUTHENTICATION_TYPE)
    # If the Auth Key ID field does not match the ID of a configured password, the received packet MUST be discarded.
    keys = [key for key in authentication.keys if section.body[:1] == bytes((key.id,))]
    if not keys:
        raise MalformedPacket(Drop.UNKNOWN_KEY)
    if authentication.type is AuthType.SIMPLE_PASSWORD:
        if not any(hmac.compare_digest(section.body[1:], key.secret) for key in keys):
            raise MalformedPacket(Drop.BAD_DIGEST)
        return None
    return _check_digest(payload, section, authentication.type, keys)


def _check_digest(payload: bytes, section: Section, kind: AuthType, keys: list[Key]) -> int:
    # If the Auth Len field is not equal to 24 [MD5; 28 for SHA1], the packet MUST be discarded.
    if len(section.body) != _KEYED.size + kind.longest:
        raise MalformedPacket(Drop.BAD_AUTHENTICATION_LENGTH)
    head, digest = payload[: LENGTH + _HEAD], section.body[_KEYED.size :]
    for key in keys:
        if hmac.compare_digest(_digest(kind, head + key.secret.ljust(kind.longest, b"\0")), digest):
            sequence: int = _KEYED.unpack_from(section.body)[2]
            return sequence
    raise MalformedPacket(Drop.BAD_DIGEST)


def in_window(sequence: int, last: int, kind: AuthType, detect_mult: int) -> bool:
    """Whether a sequence number may follow `last`.

    For Keyed MD5 [and SHA1], if the sequence number lies outside of the range of bfd.RcvAuthSeq to
    bfd.RcvAuthSeq+(3*Detect Mult) inclusive (when treated as an unsigned 32-bit circular number space), the received
    packet MUST be discarded; for the meticulous kinds the range begins at bfd.RcvAuthSeq+1.
    """
    ahead = (sequence - last) % CIRCLE
    return (1 if kind.meticulous else 0) <= ahead <= 3 * detect_mult

"""What announcers say to each other: values. The bytes are made in codec.py.

An address is its 16 bytes here (`Key`; IPv4 as ::ffff:a.b.c.d): its order is the order of complete claims, and
dictionaries of thousands of them are read for every datagram.
"""

from dataclasses import dataclass
from enum import IntEnum, unique
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from lb_controller.model.address import Address

Key = bytes
FIRST_KEY: Final = bytes(16)
LAST_KEY: Final = b"\xff" * 16
_MAPPED: Final = bytes(10) + b"\xff\xff"


def key_of(address: Address) -> Key:
    """The 16 bytes of an address."""
    return _MAPPED + address.packed if address.version == 4 else address.packed


@lru_cache(maxsize=65536)
def address_of(key: Key) -> Address:
    """The address of 16 bytes."""
    return IPv4Address(key[12:]) if key[:12] == _MAPPED else IPv6Address(key)


def node_id(name: str) -> int:
    """The 64 bits that stand for a node on the wire."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


class Flag:
    """Bits that the header of every message carries."""

    STARTING: Final = 1
    LATE: Final = 2
    DECLINE: Final = 4
    LEAVING: Final = 8
    WANT: Final = 16  # send me your complete claims
    ALONE: Final = 32  # I hear nobody
    ALL: Final = 63


@unique
class Strength(IntEnum):
    """STRONG: made while hearing a majority. It beats every WEAK claim, whatever the stamps."""

    WEAK = 0
    STRONG = 1


@unique
class Why(IntEnum):
    """Why a claim ended."""

    CONCEDED = 0
    WITHDRAWN = 1


class Claim(NamedTuple):
    """A claim to an address. Its order as a tuple is the order of claims: strength, then stamp."""

    strength: int
    stamp: int


class Header(NamedTuple):
    """What every message says. `echo_*`: the boot and the last number heard of the one that it is sent to, or 0."""

    sender: int
    boot: int
    seq: int
    lamport: int
    flags: int = 0
    echo_boot: int = 0
    echo_seq: int = 0


@dataclass(frozen=True, slots=True)
class Hello:
    """I am here, and my claims have this number and digest."""

    count: int
    digest: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """Does anybody hear this boot of this node?"""

    node: int
    boot: int


@dataclass(frozen=True, slots=True)
class Alive:
    """I do, myself, just now."""

    node: int
    boot: int


@dataclass(frozen=True, slots=True)
class Claims:
    """I own these. `low` <= `high`: complete between the two; `low` > `high`: new or defended claims only."""

    entries: tuple[tuple[Key, Claim], ...]
    low: Key = LAST_KEY
    high: Key = FIRST_KEY

    @property
    def complete(self) -> bool:
        return self.low <= self.high


@dataclass(frozen=True, slots=True)
class Releases:
    """I stopped claiming these."""

    entries: tuple[tuple[Key, Why], ...]


class Owner(NamedTuple):
    """A claim of a third node, as its witness tells it. `vouched`: the witness hears the owner itself, now."""

    node: int
    claim: Claim
    vouched: bool


@dataclass(frozen=True, slots=True)
class Betters:
    """These have other owners; or, where the owner named is the receiver: you held these before you restarted."""

    entries: tuple[tuple[Key, Owner], ...]


class Bequest(NamedTuple):
    """An address given away: the claim that the owner holds, and the node that shall take it."""

    claim: Claim
    heir: int


@dataclass(frozen=True, slots=True)
class Yields:
    """Take these; I answer for them until I hear your claim."""

    entries: tuple[tuple[Key, Bequest], ...]


Body = Hello | Suspect | Alive | Claims | Releases | Betters | Yields


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram."""

    header: Header
    body: Body

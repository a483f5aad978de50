"""Addresses and ranges of addresses.

A range is an inclusive interval of one family. Nothing here enumerates a range: a /8 or an IPv6 /64 costs the same
as a /32. Both ways in (`parse_address`, `parse_range`) say in their ValueError what was read and what to write instead.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@unique
class Family(StrEnum):
    """An address family, written as Kubernetes writes it in `spec.ipFamilies`."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


def family_of(address: Address) -> Family:
    """The family of one address."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


@dataclass(frozen=True, slots=True)
class AddressRange:
    """All addresses from `first` to `last`, both included; both of one family, `first` <= `last`."""

    first: Address
    last: Address

    def __post_init__(self) -> None:
        """Refuse what no range can be (our own broken invariant, not a user's error)."""
        if self.first.version != self.last.version or int(self.first) > int(self.last):
            raise ValueError(f"no range: {self.first}-{self.last}")

    @property
    def family(self) -> Family:
        return family_of(self.first)

    @property
    def size(self) -> int:
        """How many addresses the range holds."""
        return int(self.last) - int(self.first) + 1

    def __contains__(self, address: Address) -> bool:
        return self.first.version == address.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, other: "AddressRange") -> bool:
        """Whether any address lies in both ranges."""
        if self.first.version != other.first.version:
            return False
        return int(self.first) <= int(other.last) and int(other.first) <= int(self.last)

    def networks(self) -> tuple[Network, ...]:
        """The CIDR blocks that make up the range, ascending."""
        return tuple(_summarize(self.first, self.last))

    def __str__(self) -> str:
        blocks = self.networks()
        return str(blocks[0]) if len(blocks) == 1 else f"{self.first}-{self.last}"


def _summarize(first: Address, last: Address) -> Iterable[Network]:
    if isinstance(first, ipaddress.IPv4Address) and isinstance(last, ipaddress.IPv4Address):
        return ipaddress.summarize_address_range(first, last)
    assert isinstance(first, ipaddress.IPv6Address)
    assert isinstance(last, ipaddress.IPv6Address)
    return ipaddress.summarize_address_range(first, last)


def parse_address(text: str) -> Address:
    """Read one IPv4 or IPv6 address; an IPv4-mapped IPv6 address and a zone are refused. Raises ValueError."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text.strip()!r} has a zone; write the address without '%{address.scope_id}'")
        if address.ipv4_mapped is not None:
            raise ValueError(f"{text.strip()!r} is IPv4-mapped; write {address.ipv4_mapped}")
    return address


def parse_range(text: str, *, host_bits: bool = False) -> AddressRange:
    """Read `CIDR` or `first-last` (spaces around either end allowed).

    `host_bits`: accept a CIDR with host bits set and widen it to its network, as MetalLB does. Raises ValueError.
    """
    if "/" in text:
        return _parse_cidr(text.strip(), host_bits=host_bits)
    first_text, dash, last_text = text.partition("-")
    if not dash:
        raise ValueError(f"{text.strip()!r} is neither a CIDR nor a range; write A/LENGTH or FIRST-LAST")
    first, last = parse_address(first_text), parse_address(last_text)
    if first.version != last.version:
        raise ValueError(f"{text.strip()!r} mixes IPv4 and IPv6; write one range for each family")
    if int(first) > int(last):
        raise ValueError(f"{text.strip()!r} is reversed; write {last}-{first}")
    return AddressRange(first, last)


def _parse_cidr(text: str, *, host_bits: bool) -> AddressRange:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a valid CIDR; write for example 192.0.2.0/24 or 2001:db8::/64") from None
    parse_address(text.partition("/")[0])
    if not text.partition("/")[2].isdigit():
        raise ValueError(f"{text!r}: write the prefix length as a number, {interface.network}")
    network = interface.network
    if interface.ip != network.network_address and not host_bits:
        single = ipaddress.ip_network(interface.ip)
        raise ValueError(f"{text!r} has host bits set; write {network} for the whole block or {single} for one address")
    return AddressRange(network.network_address, network.broadcast_address)

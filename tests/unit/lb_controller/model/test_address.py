"""Addresses and ranges: what is read, and the sentence for what is not."""

import re
from ipaddress import ip_address

import pytest

from lb_controller.model.address import AddressRange, Family, family_of, parse_address, parse_range


@pytest.mark.parametrize(
    ("text", "first", "last", "size"),
    [
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255", 256),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", 1),
        (" 192.0.2.1 - 192.0.2.9 ", "192.0.2.1", "192.0.2.9", 9),
        ("192.0.2.1-192.0.2.1", "192.0.2.1", "192.0.2.1", 1),
        ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 2**64),
        ("2001:DB8::1-2001:db8::10", "2001:db8::1", "2001:db8::10", 16),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 2**32),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2**128),
    ],
)
def test_a_range_reads_as_its_ends(text: str, first: str, last: str, size: int) -> None:
    found = parse_range(text)
    assert (str(found.first), str(found.last), found.size) == (first, last, size)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is neither a CIDR nor a range; write A/LENGTH or FIRST-LAST"),
        ("192.0.2.1", "'192.0.2.1' is neither a CIDR nor a range; write A/LENGTH or FIRST-LAST"),
        ("192.0.2.9-192.0.2.1", "'192.0.2.9-192.0.2.1' is reversed; write 192.0.2.1-192.0.2.9"),
        ("2001:db8::10-2001:db8::9", "'2001:db8::10-2001:db8::9' is reversed; write 2001:db8::9-2001:db8::10"),
        ("192.0.2.1-2001:db8::1", "mixes IPv4 and IPv6; write one range for each family"),
        ("192.0.2.1-", "'' is not an IPv4 or IPv6 address"),
        ("192.0.2.1-192.0.2.5-192.0.2.9", "'192.0.2.5-192.0.2.9' is not an IPv4 or IPv6 address"),
        ("192.0.2.0/33", "is not a valid CIDR; write for example 192.0.2.0/24"),
        ("192.0.2.0/24/8", "is not a valid CIDR"),
        ("/24", "is not a valid CIDR"),
        ("192.0.2.0/24-192.0.3.0/24", "is not a valid CIDR"),
        ("192.0.2.0/255.255.255.0", "write the prefix length as a number, 192.0.2.0/24"),
        ("192.0.2.5/24", "host bits set; write 192.0.2.0/24 for the whole block or 192.0.2.5/32 for one address"),
        ("2001:db8::5/64", "write 2001:db8::/64 for the whole block or 2001:db8::5/128 for one address"),
        ("::ffff:192.0.2.0/120", "'::ffff:192.0.2.0' is IPv4-mapped; write 192.0.2.0"),
        ("fe80::1%eth0-fe80::2%eth0", "has a zone; write the address without '%eth0'"),
    ],
)
def test_what_is_no_range_is_refused_with_what_to_write_instead(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_range(text)


def test_host_bits_are_widened_where_metallb_widens_them() -> None:
    assert str(parse_range("192.0.2.5/24", host_bits=True)) == "192.0.2.0/24"


@pytest.mark.parametrize("text", ["", "web", "192.0.2", "192.0.2.01", "1", "2001:db8::g"])
def test_what_is_no_address_is_refused_in_quotes(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'{text}' is not an IPv4 or IPv6 address")):
        parse_address(text)


def test_an_ipv4_mapped_address_names_its_ipv4_form() -> None:
    with pytest.raises(ValueError, match=re.escape("write 192.0.2.1")):
        parse_address("::ffff:192.0.2.1")


def test_families_are_told_apart() -> None:
    assert family_of(ip_address("192.0.2.1")) is Family.IPV4
    assert parse_range("2001:db8::/64").family is Family.IPV6


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("192.0.2.0/24", "192.0.2.255/32", True),
        ("192.0.2.0/24", "192.0.3.0/24", False),
        ("192.0.2.1-192.0.2.5", "192.0.2.5-192.0.2.9", True),
        ("192.0.2.1-192.0.2.4", "192.0.2.5-192.0.2.9", False),
        ("0.0.0.0/0", "::/0", False),
    ],
)
def test_overlap_is_mutual_and_keeps_families_apart(one: str, other: str, answer: bool) -> None:
    assert parse_range(one).overlaps(parse_range(other)) is answer
    assert parse_range(other).overlaps(parse_range(one)) is answer


def test_membership_includes_both_ends_and_only_the_own_family() -> None:
    found = parse_range("0.0.0.1-0.0.0.3")
    inside = [text for text in ("0.0.0.0", "0.0.0.1", "0.0.0.3", "0.0.0.4", "::2") if ip_address(text) in found]
    assert inside == ["0.0.0.1", "0.0.0.3"]


@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1-192.0.2.9", "2001:db8::/64"])
def test_a_range_is_written_as_shortly_as_it_can_be(text: str) -> None:
    assert str(parse_range(text)) == text


@pytest.mark.parametrize(("first", "last"), [("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "2001:db8::1")])
def test_our_own_code_cannot_build_a_broken_range(first: str, last: str) -> None:
    with pytest.raises(ValueError, match="no range"):
        AddressRange(ip_address(first), ip_address(last))

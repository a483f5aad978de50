"""How full pools are, without counting one by one."""

import pytest

from lb_controller.allocation.pools import PoolIndex
from lb_controller.app.pools import fill, usable
from lb_controller.model.address import Family, parse_range
from lb_controller.model.config import Pool


def pool(*ranges: str, avoid: bool = False) -> Pool:
    return Pool("p", tuple(parse_range(text) for text in ranges), avoid_buggy_ips=avoid)


RANGES = [
    ("192.0.2.0/24", 254),
    ("192.0.2.1-192.0.2.254", 254),
    ("192.0.2.255-192.0.3.0", 0),
    ("192.0.2.0/32", 0),
    ("10.0.0.0/8", 2**24 - 2 * 2**16),
    ("192.0.2.10-192.0.2.20", 11),
]


@pytest.mark.parametrize(("text", "count"), RANGES)
def test_buggy_addresses_are_not_available(text: str, count: int) -> None:
    assert usable(pool(text, avoid=True), Family.IPV4) == count


def test_each_family_is_counted_and_huge_numbers_are_clamped() -> None:
    used = {"p": {Family.IPV4: 1, Family.IPV6: 1}}
    filled = fill(PoolIndex((pool("192.0.2.0/30", "2001:db8::/32"),)), used)
    assert filled == {"p": {"assignedIPv4": 1, "availableIPv4": 3, "assignedIPv6": 1, "availableIPv6": 2**63 - 1}}

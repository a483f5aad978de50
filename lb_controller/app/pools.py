"""How full each pool is: the fields of an IPAddressPool's status. Pure."""

from collections.abc import Mapping

from lb_controller.allocation.pools import PoolIndex
from lb_controller.model.address import AddressRange, Family
from lb_controller.model.config import Pool

FIELDS = ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
_LARGEST = 2**63 - 1  # int64 of the CRD: an IPv6 /64 has more


def usable(pool: Pool, family: Family) -> int:
    """How many addresses of the family the pool can give out."""
    return sum(
        part.size - (_buggy(part) if pool.avoid_buggy_ips and family is Family.IPV4 else 0)
        for part in pool.ranges
        if part.family is family
    )


def fill(pools: PoolIndex, used: Mapping[str, Mapping[Family, int]]) -> dict[str, dict[str, int]]:
    """Status fields by pool name; `used` says how many addresses of each pool Services hold."""
    return {name: _fields(pool, used[name]) for name, pool in pools.by_name.items()}


def _fields(pool: Pool, used: Mapping[Family, int]) -> dict[str, int]:
    fields = {}
    for family in Family:
        assigned = used[family]
        fields[f"assigned{family}"] = assigned
        fields[f"available{family}"] = min(_LARGEST, max(0, usable(pool, family) - assigned))
    return fields


def _buggy(part: AddressRange) -> int:
    """How many IPv4 addresses of the range end in .0 or .255."""
    first, last = int(part.first), int(part.last)
    return sum((last - end) // 256 - (first - 1 - end) // 256 for end in (0, 255))

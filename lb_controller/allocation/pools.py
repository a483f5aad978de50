"""Which pools may serve a Service, in which order, and which pool an address lies in.

Pinned pools (with serviceAllocation) come first, by priority (lower is better, 0 is last), then by name; then the
unpinned ones by name: never at random. A pinned pool whose selectors match nothing serves nobody: it fails closed.
"""

from bisect import bisect_right
from collections.abc import Mapping

from lb_controller.model.address import Address
from lb_controller.model.cluster import Namespace, Service
from lb_controller.model.config import Pool
from lb_controller.model.selectors import any_matches

Namespaces = Mapping[str, Namespace]


class PoolIndex:
    """The pools of one configuration, by name and by address."""

    def __init__(self, pools: tuple[Pool, ...] = ()) -> None:
        self.by_name = {pool.name: pool for pool in pools}
        parts = sorted(
            ((part.first.version, int(part.first), int(part.last), pool) for pool in pools for part in pool.ranges),
            key=lambda entry: entry[:2],
        )
        self._starts = [entry[:2] for entry in parts]
        self._parts = parts

    def pool_of(self, address: Address) -> Pool | None:
        """The pool that holds the address: O(log ranges)."""
        number = int(address)
        position = bisect_right(self._starts, (address.version, number)) - 1
        if position < 0:
            return None
        version, _, last, pool = self._parts[position]
        return pool if version == address.version and number <= last else None

    def serving(self, service: Service, namespaces: Namespaces) -> list[Pool]:
        """The pools that serve this Service without being asked for, best first."""
        fitting = [pool for pool in self.by_name.values() if pool.auto_assign and permits(pool, service, namespaces)]
        return sorted(fitting, key=_rank)


def _rank(pool: Pool) -> tuple[bool, float, str]:
    if pool.allocation is None:
        return (True, 0, pool.name)
    return (False, pool.allocation.priority or float("inf"), pool.name)


def permits(pool: Pool, service: Service, namespaces: Namespaces) -> bool:
    """Whether the pool's serviceAllocation lets the Service in: namespace set and service selectors, each if given."""
    allocation = pool.allocation
    if allocation is None:
        return True
    name = service.key.namespace
    if allocation.namespaces or allocation.namespace_selectors:
        labels = namespaces[name].labels if name in namespaces else {}
        if name not in allocation.namespaces and not any_matches(allocation.namespace_selectors, labels):
            return False
    return not allocation.service_selectors or any_matches(allocation.service_selectors, service.labels)

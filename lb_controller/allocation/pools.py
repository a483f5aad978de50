"""Which pools may serve a Service, in which order, and which pool an address lies in.

Pinned pools (with serviceAllocation) come first, by priority (lower is better, 0 is last), then by name; then the
unpinned ones by name: never at random. A pinned pool whose selectors match nothing serves nobody: it fails closed.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from lb_controller.allocation.numbers import number_of
from lb_controller.model.address import Address
from lb_controller.model.cluster import Namespace, Service
from lb_controller.model.config import Pool
from lb_controller.model.selectors import any_matches

Namespaces = Mapping[str, Namespace]


class PoolIndex:
    """The pools of one configuration, by name and by address."""

    def __init__(self, pools: Sequence[Pool] = ()) -> None:
        self.by_name = {pool.name: pool for pool in pools}
        parts = sorted(
            ((number_of(part.first), number_of(part.last), pool) for pool in pools for part in pool.ranges),
            key=lambda entry: entry[:2],
        )
        self._starts = [first for first, _, _ in parts]
        self._parts = [(last, pool) for _, last, pool in parts]
        automatic = sorted((pool for pool in pools if pool.auto_assign), key=_rank)
        self._unpinned = [pool for pool in automatic if pool.allocation is None]
        self._named: dict[str, list[tuple[int, Pool]]] = {}  # pinned by names of namespaces alone
        self._selecting: list[tuple[int, Pool]] = []
        for position, pool in enumerate(automatic):
            if (pinned := pool.allocation) is None:
                continue
            if not pinned.namespaces or pinned.namespace_selectors:
                self._selecting.append((position, pool))
                continue
            for name in pinned.namespaces:
                self._named.setdefault(name, []).append((position, pool))

    def pool_of(self, address: Address) -> Pool | None:
        """The pool that holds the address."""
        return self.pool_at(number_of(address))

    def pool_at(self, number: int) -> Pool | None:
        """The pool that holds the address of this number: O(log ranges)."""
        position = bisect_right(self._starts, number) - 1
        if position < 0:
            return None
        last, pool = self._parts[position]
        return pool if number <= last else None

    def serving(self, service: Service, namespaces: Namespaces) -> Sequence[Pool]:
        """The pools that serve this Service without being asked for, best first."""
        named = self._named.get(service.key.namespace, ())
        if not named and not self._selecting:
            return self._unpinned
        pinned = [entry for entry in (*named, *self._selecting) if permits(entry[1], service, namespaces)]
        pinned.sort(key=lambda entry: entry[0])
        return [pool for _, pool in pinned] + self._unpinned


def _rank(pool: Pool) -> tuple[float, str]:
    priority = pool.allocation.priority if pool.allocation is not None else 0
    return (priority or float("inf"), pool.name)


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

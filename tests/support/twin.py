"""The dumb twin of the planner: the rules of assignment, obviously correct and slow.

`plan_from_scratch` knows nothing of indexes, queues or waiting: it looks at all Services, the oldest first, each time
beginning anew after one that changed, until nobody changes any more. Only the reading of annotations and selectors is
shared with the real one, for these have tests of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lb_controller.allocation.demand import Demand, read_demand
from lb_controller.allocation.numbers import address_of, number_of
from lb_controller.allocation.pools import permits
from lb_controller.model.address import Address, Family, family_of
from lb_controller.model.cluster import Namespace, Service, ServiceKey
from lb_controller.model.config import Pool, SharingScope
from lb_controller.model.reasons import AssignedReason, RefusalReason

Addresses = tuple[Address, ...]


@dataclass
class Fact:
    """One Service: what it holds, whether it was found to fit since its terms changed last, or a digest says so."""

    service: Service
    demand: Demand
    held: Addresses = ()
    certain: bool = False
    vouched: bool = False
    honoured: str = ""
    reason: AssignedReason | RefusalReason | None = None

    @property
    def state(self) -> object:
        return (self.held, self.certain, self.honoured, self.reason)


@dataclass
class Twin:
    """The facts, and the only thing that is done with them."""

    reassign: bool = False
    facts: dict[ServiceKey, Fact] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    quarantined: frozenset[Address] = frozenset()

    def see(self, service: Service) -> None:
        """A Service is new or changed."""
        known = self.facts.get(service.key)
        demand = read_demand(service)
        if known is None or known.service.uid != service.uid:
            noted = service.annotations.get("heraldlb.io/assigned-from-pool")
            honoured = demand.pool if service.ingress and demand.pool == noted else ""
            held = tuple(dict.fromkeys(service.ingress))
            digest = demand.terms.digest(map(number_of, held))
            vouched = bool(digest) and service.annotations.get("heraldlb.io/sharing-digest") == digest
            self.facts[service.key] = Fact(service, demand, held, vouched=vouched, honoured=honoured)
            return
        if demand.terms != known.demand.terms:
            known.certain = known.vouched = False
        known.service, known.demand = service, demand

    def plan_from_scratch(self) -> None:
        """Decide all."""
        while any(self._changes(fact) for fact in self._by_age()):
            pass

    def _by_age(self) -> list[Fact]:
        return sorted(self.facts.values(), key=lambda fact: (fact.service.created, fact.service.key))

    def _changes(self, fact: Fact) -> bool:
        before = fact.state
        self._decide(fact)
        return fact.state != before

    # --- one Service

    def _decide(self, fact: Fact) -> None:
        demand, kept = fact.demand, self._keepable(fact)
        wanted = self._wanted(fact, kept)
        held = kept if isinstance(wanted, RefusalReason) else wanted
        fact.certain = True
        if not held:
            assert isinstance(wanted, RefusalReason)
            fact.held, fact.honoured, fact.reason = (), "", wanted
            return
        elsewhere = self._elsewhere(fact, held)
        fact.held, fact.honoured = held, "" if elsewhere else demand.pool
        if any(address in self.quarantined for address in held):
            fact.reason = AssignedReason.ADDRESS_CONFLICT
        elif isinstance(wanted, RefusalReason) and (
            demand.flaw or demand.addresses or elsewhere or (demand.whole and len(held) < len(demand.families))
        ):
            fact.reason = AssignedReason.REQUEST_UNSATISFIED
        elif any(self._pool_of(address) is None for address in held):
            fact.reason = AssignedReason.ADDRESS_NOT_IN_POOL
        else:
            fact.reason = AssignedReason.ASSIGNED

    def _keepable(self, fact: Fact) -> Addresses:
        kept: dict[Family, Address] = {}
        for address in fact.held:
            if family_of(address) in fact.demand.families and self._may_stay(fact, address):
                kept.setdefault(family_of(address), address)
        return tuple(kept[family] for family in fact.demand.families if family in kept)

    def _wanted(self, fact: Fact, kept: Addresses) -> Addresses | RefusalReason:
        demand = fact.demand
        if demand.flaw is not None:
            return demand.flaw.reason
        if demand.addresses:
            return self._exactly(fact, kept)
        good = tuple(address for address in kept if not self._given_up(fact, address))
        if good and not self._elsewhere(fact, good):
            missing = [family for family in demand.families if family not in map(family_of, good)]
            own = self._pool_of(good[0])
            added = self._from(fact, own, missing) if own is not None and self._lets_in(own, fact) else None
            if added is not None:
                return self._sorted(fact, (*good, *added))
            if not missing:
                return good
            if not demand.whole or (len(kept) == len(demand.families) and not self.reassign):
                return kept
        return self._anew(fact)

    def _exactly(self, fact: Fact, kept: Addresses) -> Addresses | RefusalReason:
        asked = tuple(map(address_of, fact.demand.addresses))
        for address in asked:
            pool = self._pool_of(address)
            if address in kept:
                continue
            if pool is None:
                return RefusalReason.ADDRESS_OUTSIDE_POOLS
            if fact.demand.pool not in ("", pool.name):
                return RefusalReason.BAD_REQUEST
            if not self._lets_in(pool, fact):
                return RefusalReason.POOL_NOT_ALLOWED
            if address in self.quarantined:
                return RefusalReason.ADDRESS_CONFLICT
            stays = address in fact.held
            if not (self._may_stay(fact, address) if stays else self._may_join(fact, address)):
                key = fact.demand.terms.key
                return RefusalReason.SHARING_CONFLICT if key else RefusalReason.ADDRESS_IN_USE
        return self._sorted(fact, asked)

    def _anew(self, fact: Fact) -> Addresses | RefusalReason:
        demand = fact.demand
        if demand.pool:
            pools = [pool for pool in self.pools if pool.name == demand.pool]
            if not pools:
                return RefusalReason.UNKNOWN_POOL
            if not self._lets_in(pools[0], fact):
                return RefusalReason.POOL_NOT_ALLOWED
        else:
            pools = self._serving(fact)
            if not pools:
                return RefusalReason.NO_POOL
        choices = [self._from(fact, pool, demand.families, only_shared=True) for pool in pools]
        choices += [self._from(fact, pool, demand.families) for pool in pools]
        if not demand.whole:
            choices += [self._from(fact, pool, [family]) for family in demand.families for pool in pools]
        return next((found for found in choices if found is not None), RefusalReason.POOL_EXHAUSTED)

    def _serving(self, fact: Fact) -> list[Pool]:
        found = [pool for pool in self.pools if pool.auto_assign and self._lets_in(pool, fact)]
        pinned = [pool for pool in found if pool.allocation is not None]
        unpinned = [pool for pool in found if pool.allocation is None]
        pinned.sort(key=lambda pool: (pool.allocation.priority or 10**9, pool.name))  # type: ignore[union-attr]
        return pinned + sorted(unpinned, key=lambda pool: pool.name)

    def _from(
        self, fact: Fact, pool: Pool, families: Iterable[Family], *, only_shared: bool = False
    ) -> Addresses | None:
        """One address of each of the families, all from this pool."""
        found = []
        for family in families:
            inside = [address for address in _addresses(pool) if family_of(address) is family]
            shared = [address for address in sorted(inside, key=int) if self._could_share(fact, address)]
            free = [address for address in inside if self._is_free(pool, address)]
            both = shared if only_shared else shared + free
            if not both:
                return None
            found.append(both[0])
        return tuple(found)

    # --- one address

    def _pool_of(self, address: Address) -> Pool | None:
        return next((pool for pool in self.pools if address in pool), None)

    def _lets_in(self, pool: Pool, fact: Fact) -> bool:
        return permits(pool, fact.service, self.namespaces)

    def _given_up(self, fact: Fact, address: Address) -> bool:
        pool = self._pool_of(address)
        lost = pool is None or not self._lets_in(pool, fact)
        return address in self.quarantined or (self.reassign and lost)

    def _elsewhere(self, fact: Fact, addresses: Sequence[Address]) -> bool:
        wanted = fact.demand.pool
        if not wanted or fact.honoured == wanted:
            return False
        return any((pool := self._pool_of(address)) is None or pool.name != wanted for address in addresses)

    def _others(self, fact: Fact, address: Address) -> list[Fact]:
        return [other for other in self.facts.values() if other is not fact and address in other.held]

    def _may_stay(self, fact: Fact, address: Address) -> bool:
        others = self._others(fact, address)
        before = [other for other in others if other.certain or (other.vouched and not fact.vouched)]
        return fact.certain or all(fact.demand.terms.go_with(other.demand.terms) for other in before)

    def _may_join(self, fact: Fact, address: Address) -> bool:
        pool = self._pool_of(address)
        return pool is not None and all(
            fact.demand.terms.go_with(other.demand.terms)
            and (
                pool.sharing_scope is SharingScope.CLUSTER or other.service.key.namespace == fact.service.key.namespace
            )
            for other in self._others(fact, address)
        )

    def _could_share(self, fact: Fact, address: Address) -> bool:
        """Somebody (itself, too) holds the address under this sharing key, and it may be there."""
        key = fact.demand.terms.key
        if not key or address in self.quarantined:
            return False
        holders = [other for other in self.facts.values() if address in other.held and other.demand.terms.key == key]
        stays = address in fact.held
        return bool(holders) and (self._may_stay(fact, address) if stays else self._may_join(fact, address))

    def _is_free(self, pool: Pool, address: Address) -> bool:
        buggy = pool.avoid_buggy_ips and address.version == 4 and int(address) % 256 in (0, 255)
        held = any(address in fact.held for fact in self.facts.values())
        return not buggy and not held and address not in self.quarantined

    @staticmethod
    def _sorted(fact: Fact, addresses: Sequence[Address]) -> Addresses:
        return tuple(sorted(addresses, key=lambda address: fact.demand.families.index(family_of(address))))


def _addresses(pool: Pool) -> list[Address]:
    """All addresses of a (small) pool, in written order."""
    return [type(part.first)(int(part.first) + step) for part in pool.ranges for step in range(part.size)]

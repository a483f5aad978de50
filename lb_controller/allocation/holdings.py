"""Which Service holds which address, which addresses are free, and which nobody new may have. Numbers, not addresses.

Every holder is in one Tenancy for each of its addresses; one that shares with nobody, as most do, stands for itself.
An address whose pool was deleted or shrunk stays with its holders (`stranded`), so that a pool made anew never gives it
out twice. What happens to something that is awaited is noted in `news`.
"""

from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from lb_controller.allocation.free import FreeAddresses
from lb_controller.allocation.gathering import GatheringPlaces, Kind
from lb_controller.allocation.numbers import family_at
from lb_controller.allocation.pools import PoolIndex
from lb_controller.allocation.sharing import Tenancy, Terms
from lb_controller.allocation.waiting import Freed, Gathering, Token
from lb_controller.model.address import Family
from lb_controller.model.cluster import Port, ServiceKey
from lb_controller.model.config import Pool, SharingScope

_WITH_NOBODY: Final = Terms()


class Holdings:
    """The addresses that are in use."""

    def __init__(self, awaited: Container[Token]) -> None:
        self._awaited = awaited
        self.pools = PoolIndex()
        self._tenancies: dict[int, Tenancy | ServiceKey] = {}
        self.stranded: set[int] = set()
        self.quarantined: set[int] = set()
        self.news: set[Token] = set()
        self._free: dict[str, FreeAddresses] = {}
        self._places = GatheringPlaces()

    # --- changes

    def configure(self, pools: PoolIndex) -> set[int]:
        """New pools; returns the held addresses that lie in a pool of another name now, or in none."""
        before, self.pools = self.pools, pools
        self._places.forget_floors()
        loose = {number: "" for number in self.stranded}
        self.stranded.clear()
        for name, pool in before.by_name.items():
            if not _gives_the_same(pool, pools.by_name.get(name)):
                loose |= dict.fromkeys(self._free.pop(name).held(), name)
        for name, pool in pools.by_name.items():
            if name not in self._free:
                self._free[name] = FreeAddresses(pool, self.quarantined)
        moved = set()
        for number, name in loose.items():
            found = pools.pool_at(number)
            if found is None:
                self.stranded.add(number)
            else:
                self._free[found.name].take(number)
            if name != (found.name if found is not None else ""):
                moved.add(number)
        return moved

    def quarantine(self, numbers: AbstractSet[int]) -> set[int]:
        """Foreign hosts answer for exactly these; returns those for which that is new, either way."""
        changed = self.quarantined ^ numbers
        lifted = self.quarantined - numbers
        self.quarantined.intersection_update(numbers)
        self.quarantined.update(numbers)
        for number in changed:
            self._tell(number)
            if number not in lifted:
                continue
            if number in self._tenancies:
                self._note_sharers(number, self._opened(number))
            elif (pool := self.pools.pool_at(number)) is not None:
                self._free_again(pool, number)
        return changed

    def claim(self, key: ServiceKey, terms: Terms, number: int, *, vouched: bool) -> None:
        """The Service says that it holds the address; `vouched`: and it did not change since it was found to fit."""
        self._enter(number, terms)
        self._opened(number).claim(key, terms, vouched=vouched)

    def doubt(self, key: ServiceKey, before: Terms, after: Terms, numbers: Iterable[int]) -> None:
        """The terms of a Service changed: it only claims what it holds until it was found to fit."""
        for number in numbers:
            tenancy = self._opened(number)
            tenancy.remove(key)
            tenancy.claim(key, after)
            if before.key != after.key:
                self._forget_place(number, tenancy, before.key)
                if after.key:
                    self._places.add(after.key, number)
            self._tell(number)
            self._tell_sharers(before.key)
            self._note_sharers(number, tenancy)

    def hold(self, key: ServiceKey, terms: Terms, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """The Service, which held (or claimed) `before`, is a tenant of exactly `after` from now on."""
        for number in before:
            if number not in after:
                self._leave(number, key, terms)
        for number in after:
            if number in before:
                if isinstance(tenancy := self._tenancies[number], Tenancy) and key not in tenancy.tenants:
                    tenancy.remove(key)
                    tenancy.add(key, terms)
                continue
            self._enter(number, terms)
            if not terms.key and number not in self._tenancies:
                self._tenancies[number] = key
            else:
                self._opened(number).add(key, terms)

    def _opened(self, number: int) -> Tenancy:
        """The Tenancy of an address, made where there was none or a single Service without sharing key."""
        found = self._tenancies.get(number)
        if isinstance(found, Tenancy):
            return found
        tenancy = self._tenancies[number] = Tenancy()
        if found is not None:
            tenancy.add(found, _WITH_NOBODY)
        return tenancy

    def _enter(self, number: int, terms: Terms) -> None:
        if number not in self._tenancies:
            pool = self.pools.pool_at(number)
            if pool is None:
                self.stranded.add(number)
            else:
                self._free[pool.name].take(number)
        self._tell(number)
        if terms.key:
            self._places.add(terms.key, number)
            self._tell_sharers(terms.key)

    def _leave(self, number: int, key: ServiceKey, terms: Terms) -> None:
        self._tell(number)
        tenancy = self._tenancies[number]
        if isinstance(tenancy, Tenancy):
            tenancy.remove(key)
            self._forget_place(number, tenancy, terms.key)
            if not tenancy.empty:
                self._note_sharers(number, tenancy)
                return
        del self._tenancies[number]
        self.stranded.discard(number)
        if (pool := self.pools.pool_at(number)) is not None:
            self._free_again(pool, number)

    def _free_again(self, pool: Pool, number: int) -> None:
        self._free[pool.name].release(number)
        self._tell(Freed(pool.name, family_at(number)))

    def _note_sharers(self, number: int, tenancy: Tenancy) -> None:
        """Others may go together with those at the address now."""
        for terms in (*tenancy.tenants.values(), *(tenancy.claims or {}).values()):
            self._places.changed(terms.key, number)
            self._tell_sharers(terms.key)

    def _tell(self, token: Token) -> None:
        if token in self._awaited:
            self.news.add(token)

    def _tell_sharers(self, key: str) -> None:
        if key:
            self._tell(Gathering(key))

    def _forget_place(self, number: int, tenancy: Tenancy, key: str) -> None:
        if key and not tenancy.knows(key):
            self._places.remove(key, number)

    # --- questions

    def holders_of(self, number: int) -> list[ServiceKey]:
        """Everybody who holds or claims the address."""
        found = self._tenancies.get(number, ())
        return found.everybody() if isinstance(found, Tenancy) else [found] if found else []

    def pool_name(self, number: int) -> str:
        """The name of the pool that the address lies in, or ""."""
        pool = self.pools.pool_at(number)
        return pool.name if pool is not None else ""

    def obstacle(self, key: ServiceKey, terms: Terms, number: int) -> ServiceKey | None:
        """A Service at the address, with which this one could not share it if it came or stayed."""
        if number not in self._tenancies or self._tenancies[number] == key:
            return None
        tenancy = self._opened(number)
        if key in tenancy.tenants:
            return None
        if tenancy.claims is not None and key in tenancy.claims:
            return tenancy.obstacle_to_stay(key, terms)
        pool = self.pools.pool_at(number)
        scope = SharingScope.CLUSTER if pool is None else pool.sharing_scope
        return tenancy.obstacle_to_join(key, terms, scope)

    def lowest_free(self, pool: Pool, family: Family) -> int | None:
        """The lowest address of the pool that nobody holds and no foreign host answers for."""
        return self._free[pool.name].lowest(family)

    def gathering(self, key: ServiceKey, terms: Terms, pool: Pool, family: Family) -> int | None:
        """The lowest address of the pool that Services with this sharing key have, and that this one may join."""
        if not terms.key:
            return None
        portless = replace(terms, ports=frozenset())

        def bad(number: int) -> AbstractSet[Port] | None:
            here = family_at(number) is family and self.pools.pool_at(number) is pool
            if not here or number in self.quarantined or self.obstacle(key, portless, number) is not None:
                return terms.ports
            return None if self.obstacle(key, terms, number) is None else self._opened(number).taken(terms.ports)

        kind = Kind(terms.key, terms.backend, key.namespace, pool.name, 4 if family is Family.IPV4 else 6)
        return self._places.lowest(kind, terms.ports, bad)

    def has_room(self, token: Freed) -> bool:
        """Whether the pool still has a free address of the family."""
        free = self._free.get(token.pool)
        return free is not None and free.lowest(token.family) is not None

    def held_in(self, pool: str) -> set[int]:
        """All held addresses of one pool."""
        return self._free[pool].held()

    def usage(self) -> Mapping[str, Mapping[Family, int]]:
        """How many addresses of each pool are held, by family; O(pools)."""
        return {name: {family: free.count(family) for family in Family} for name, free in self._free.items()}

    def count(self, family: Family) -> int:
        """How many addresses of the family are held, in pools or outside of them."""
        stranded = sum(family_at(number) is family for number in self.stranded)
        return stranded + sum(free.count(family) for free in self._free.values())


def _gives_the_same(before: Pool, after: Pool | None) -> bool:
    """Whether the free addresses of a pool can be kept."""
    return after is not None and (before.ranges, before.avoid_buggy_ips) == (after.ranges, after.avoid_buggy_ips)

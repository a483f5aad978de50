"""The decision about one Service, by what it asks for and what it and the others hold.

What a Service holds is an input. It is kept unless the Service's own request, families or sharing rule it out, or a
foreign host answers for it; then it moves in one step, or keeps what it has and says why. Only an address that it may
not share with its tenants is taken away without another in its place.
"""

from collections.abc import Iterable, Sequence

from lb_controller.allocation import sentences
from lb_controller.allocation.ledger import Entry, Ledger
from lb_controller.allocation.numbers import address_of, family_at
from lb_controller.allocation.outcome import Assignment, Outcome, Refusal
from lb_controller.allocation.pools import permits
from lb_controller.allocation.waiting import NOTHING, Freed, Gathering, Token
from lb_controller.model.address import Family
from lb_controller.model.config import Origin, Pool
from lb_controller.model.reasons import AssignedReason

Numbers = tuple[int, ...]


def decide(ledger: Ledger, entry: Entry) -> Outcome:
    """Decide about this Service, and record it in the ledger."""
    if entry.demand.plain and not entry.held and (given := _give(ledger, entry)) is not None:
        return given
    return _Decision(ledger, entry).run()


def _give(ledger: Ledger, entry: Entry) -> Assignment | None:
    """The short way for a newcomer that does not care which address of one family it gets: most of a burst are such."""
    holdings, [family] = ledger.holdings, entry.demand.families
    for pool in holdings.pools.serving(entry.service, ledger.namespaces):
        number = holdings.lowest_free(pool, family)
        if number is not None:
            outcome = Assignment((number,), (pool.name,), of_metallb=pool.origin is Origin.METALLB)
            entry.honoured = ""
            ledger.record(entry, outcome.numbers, outcome, None)
            return outcome
    return None


class _Decision:
    """One decision. `tokens` is what the Service will wait for; None: it has all it wants."""

    __slots__ = ("demand", "entry", "holdings", "key", "ledger", "tokens")

    def __init__(self, ledger: Ledger, entry: Entry) -> None:
        self.ledger, self.entry, self.holdings = ledger, entry, ledger.holdings
        self.demand, self.key = entry.demand, entry.service.key
        self.tokens: frozenset[Token] | None = None

    def run(self) -> Outcome:
        entry, demand = self.entry, self.demand
        kept = self._keepable() if entry.held else ()
        found = self._find(kept)
        held, unmet = (kept, found) if isinstance(found, Refusal) else (found, None)
        if unmet is not None and self.tokens is None:
            self.tokens = NOTHING
        if unmet is not None and not held:
            entry.honoured = ""
            self.ledger.record(entry, (), unmet, self.tokens)
            return unmet
        elsewhere = bool(demand.pool) and self._elsewhere(held)
        entry.honoured = demand.pool if not elsewhere else ""
        outcome = self._assignment(held, unmet)
        self.ledger.record(entry, held, outcome, self.tokens)
        return outcome

    def _keepable(self) -> Numbers:
        """What it holds and may keep: one address of each family that it wants, without conflict."""
        kept: list[int] = []
        for number in self.entry.held:
            family = family_at(number)
            if family not in self.demand.families or family in map(family_at, kept):
                continue
            if self.holdings.obstacle(self.key, self.demand.terms, number) is None:
                kept.append(number)
        return self.demand.in_order(kept)

    def _find(self, kept: Numbers) -> Numbers | Refusal:
        """The addresses that it shall have; a Refusal when it cannot have what it wants, beside what it keeps."""
        demand = self.demand
        if demand.flaw is not None:
            return demand.flaw
        if demand.addresses:
            return self._explicit(kept)
        good = kept
        if kept and (self.holdings.quarantined or self.ledger.reassigns):
            good = tuple(number for number in kept if not self._to_give_up(number))
        moves = bool(demand.pool) and self._elsewhere(good)
        if len(good) == len(demand.families) and not moves:
            return good
        if good and not moves:
            return self._complete(kept, good)
        return self._anew()

    def _to_give_up(self, number: int) -> bool:
        if number in self.holdings.quarantined:
            return True
        return self.ledger.reassigns and not self.ledger.permits(self.entry, number)

    def _elsewhere(self, numbers: Iterable[int]) -> bool:
        """Whether these lie outside of the pool that it asks for, and were not assigned from it either."""
        wanted = self.demand.pool
        return self.entry.honoured != wanted and any(self.holdings.pool_name(number) != wanted for number in numbers)

    # --- exactly these

    def _explicit(self, kept: Numbers) -> Numbers | Refusal:
        demand, holdings, key = self.demand, self.holdings, self.key
        self.tokens = frozenset(demand.addresses)
        for number in demand.addresses:
            if number in kept:
                continue
            pool, address = holdings.pools.pool_at(number), address_of(number)
            if pool is None:
                return sentences.outside(key, address, list(holdings.pools.by_name))
            if demand.pool and demand.pool != pool.name:
                return sentences.other_pool(key, address, pool.name, demand.pool)
            if not permits(pool, self.entry.service, self.ledger.namespaces):
                return sentences.not_allowed(key, pool.name)
            if number in holdings.quarantined:
                return sentences.conflict(key, address)
            if (other := holdings.obstacle(key, demand.terms, number)) is not None:
                return sentences.taken(key, address, other, sharing=bool(demand.terms.key))
        self.tokens = None
        return demand.in_order(demand.addresses)

    # --- what is missing

    def _complete(self, kept: Numbers, good: Numbers) -> Numbers | Refusal:
        """The missing family from the pool of what it has, which stays untouched; only who asks for both may move."""
        demand, pool = self.demand, self.holdings.pools.pool_at(good[0])
        missing = [family for family in demand.families if family not in map(family_at, good)]
        self.tokens = NOTHING
        if pool is not None and permits(pool, self.entry.service, self.ledger.namespaces):
            found = self._from_pool(pool, missing)
            if None not in found:
                self.tokens = None
                return demand.in_order((*good, *(number for number in found if number is not None)))
            self._wait(pool, missing, found)
        if not demand.whole or (len(kept) == len(demand.families) and not self.ledger.reassigns):
            return kept  # a foreign host at one of its addresses is no reason to move the other
        return self._anew()

    # --- all

    def _anew(self) -> Numbers | Refusal:
        """Addresses of all its families from the first pool that has them; else, if it agrees, of one family."""
        demand = self.demand
        pools = self._pools()
        if isinstance(pools, Refusal):
            return pools
        if demand.terms.key and (found := self._gathered(pools)) is not None:
            return found
        for pool in pools:
            numbers = self._from_pool(pool, demand.families)
            if None not in numbers:
                self.tokens = None
                return tuple(number for number in numbers if number is not None)
            self._wait(pool, demand.families, numbers)
        if not demand.whole and (single := self._single(pools)) is not None:
            return single
        return sentences.exhausted(self.key, demand.families, pools)

    def _single(self, pools: Sequence[Pool]) -> Numbers | None:
        """One address, of the first family that any pool has; it waits for the second from the same pool."""
        for family in self.demand.families:
            for pool in pools:
                [number] = self._from_pool(pool, (family,))
                if number is not None:
                    missing = [other for other in self.demand.families if other is not family]
                    self.tokens = NOTHING
                    self._wait(pool, missing, [None])
                    return (number,)
        return None

    def _gathered(self, pools: Sequence[Pool]) -> Numbers | None:
        """The addresses of others with its sharing key, all from one pool."""
        for pool in pools:
            numbers = [
                self.holdings.gathering(self.key, self.demand.terms, pool, family) for family in self.demand.families
            ]
            if None not in numbers:
                self.tokens = None
                return tuple(number for number in numbers if number is not None)
        return None

    def _pools(self) -> Sequence[Pool] | Refusal:
        key, index, wanted = self.key, self.holdings.pools, self.demand.pool
        if not wanted:
            pools = index.serving(self.entry.service, self.ledger.namespaces)
            return pools or sentences.no_pool(key, any_exists=bool(index.by_name))
        pool = index.by_name.get(wanted)
        if pool is None:
            return sentences.unknown_pool(key, wanted, list(index.by_name))
        if not permits(pool, self.entry.service, self.ledger.namespaces):
            return sentences.not_allowed(key, pool.name)
        return (pool,)

    def _from_pool(self, pool: Pool, families: Sequence[Family]) -> list[int | None]:
        """Of each family the lowest address held under its sharing key that it may join, else the lowest free one."""
        holdings, terms = self.holdings, self.demand.terms
        if not terms.key:
            return [holdings.lowest_free(pool, family) for family in families]
        found = []
        for family in families:
            number = holdings.gathering(self.key, terms, pool, family)
            found.append(number if number is not None else holdings.lowest_free(pool, family))
        return found

    def _wait(self, pool: Pool, families: Sequence[Family], found: Sequence[int | None]) -> None:
        """Wait for what this pool lacks: who wants all needs only hear of the first that it lacks."""
        lacking = [Freed(pool.name, family) for family, number in zip(families, found, strict=True) if number is None]
        tokens: set[Token] = {*(self.tokens or NOTHING), *(lacking[:1] if self.demand.whole else lacking)}
        if self.demand.terms.key:
            tokens.add(Gathering(self.demand.terms.key))
        self.tokens = frozenset(tokens)

    # --- telling

    def _assignment(self, held: Numbers, unmet: Refusal | None) -> Assignment:
        demand, holdings = self.demand, self.holdings
        pools = [holdings.pools.pool_at(number) for number in held]
        names = tuple(self.entry.honoured or (pool.name if pool is not None else "") for pool in pools)
        of_metallb = any(pool is not None and pool.origin is Origin.METALLB for pool in pools)
        reason, notes = AssignedReason.ASSIGNED, []
        if None in pools:
            reason = AssignedReason.ADDRESS_NOT_IN_POOL
            lost = [address_of(number) for number, pool in zip(held, pools, strict=True) if pool is None]
            notes.append(sentences.stranded(self.key, lost))
        if unmet is not None:
            notes.insert(0, unmet.message)
            if self._asks_for_more(held):
                reason = AssignedReason.REQUEST_UNSATISFIED
        moved: tuple[int, ...] = ()
        if holdings.quarantined:
            if foreign := [address_of(number) for number in held if number in holdings.quarantined]:
                reason = AssignedReason.ADDRESS_CONFLICT
                notes.insert(0, sentences.in_conflict(self.key, foreign, asked=bool(demand.addresses)))
            moved = tuple(n for n in self.entry.held if n in holdings.quarantined and n not in held)
        return Assignment(held, names, reason, "; ".join(notes), of_metallb, moved, demand.terms.digest(held))

    def _asks_for_more(self, held: Numbers) -> bool:
        """Whether it is its own request that is not met."""
        demand = self.demand
        if demand.flaw is not None or demand.addresses or (demand.pool and self._elsewhere(held)):
            return True
        return demand.whole and len(held) < len(demand.families)

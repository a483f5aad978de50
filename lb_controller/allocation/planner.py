"""The decision: which addresses each Service has.

`plan` looks at the given Services, older ones first, and records what it decides in the ledger. What a Service holds is
an input: it is kept unless its own request, families or sharing rule it out, and then it moves in one step or keeps
what it has. Whoever may profit from a move is decided again in the same call; that ends, because a satisfied Service
moves no more.
"""

from collections.abc import Iterable, Sequence

from lb_controller.allocation import sentences
from lb_controller.allocation.demand import Demand
from lb_controller.allocation.ledger import Entry, Ledger, Stranded, Token
from lb_controller.allocation.outcome import Assignment, Outcome, Refusal
from lb_controller.allocation.pools import permits
from lb_controller.model.address import Address, Family, family_of
from lb_controller.model.cluster import ServiceKey
from lb_controller.model.config import Pool
from lb_controller.model.reasons import AssignedReason

ANY_POOL: Token = ""  # waits for any change of the pools


def plan(ledger: Ledger, keys: Iterable[ServiceKey]) -> dict[ServiceKey, Outcome]:
    """Decide these Services, and those that the decisions wake, and record it; returns all outcomes decided."""
    outcomes: dict[ServiceKey, Outcome] = {}
    pending = set(keys)
    while pending:
        entries = [ledger.entries[key] for key in pending if key in ledger.entries]
        pending = set()
        for entry in sorted(entries, key=lambda entry: entry.rank):
            outcome, woken = _Decision(ledger, entry).run()
            outcomes[entry.service.key] = outcome
            pending |= woken
    return outcomes


class _Decision:
    """The decision about one Service."""

    def __init__(self, ledger: Ledger, entry: Entry) -> None:
        self.ledger, self.entry = ledger, entry
        self.waits: set[Token] = set()

    def run(self) -> tuple[Outcome, set[ServiceKey]]:
        """Decide and record; returns the outcome and who may profit from what was let go."""
        outcome = self._decide()
        addresses = outcome.addresses if isinstance(outcome, Assignment) else ()
        woken = self.ledger.hold(self.entry, addresses)
        self.entry.settled, self.entry.outcome = True, outcome
        self.ledger.wait(self.entry, frozenset(self.waits))
        return outcome, woken

    def _decide(self) -> Outcome:
        demand = self.entry.demand
        if isinstance(demand, Refusal):
            return self._misunderstood(demand)
        kept = self._keepable(demand)
        wanted = self._satisfied(demand, kept)
        if wanted is None:
            return self._assignment(demand, kept)
        found = self._serve(demand, kept)
        if isinstance(found, Refusal):
            if not kept:
                return found
            return self._assignment(demand, kept, unsatisfied=found.message if wanted else "")
        return self._assignment(demand, found)

    def _misunderstood(self, refusal: Refusal) -> Outcome:
        """A request that cannot be read leaves the Service what it has."""
        held = self.entry.held
        if not held or refusal.reason.value == "NoClusterIP":
            return refusal
        return self._named(held, AssignedReason.REQUEST_UNSATISFIED, refusal.message)

    # --- what it holds

    def _keepable(self, demand: Demand) -> tuple[Address, ...]:
        """What it holds and may keep: one address of each family that it wants, without conflict."""
        kept: list[Address] = []
        for address in self.entry.held:
            family = family_of(address)
            if family not in demand.families or family in map(family_of, kept):
                continue
            if self.ledger.conflict(self.entry, address, settled_only=True) is not None:
                continue
            if self.ledger.settings.stranded is Stranded.REASSIGN and not self._covered(address):
                continue
            kept.append(address)
        return demand.in_order(kept)

    def _covered(self, address: Address) -> bool:
        pool = self.ledger.pools.pool_of(address)
        return pool is not None and permits(pool, self.entry.service, self.ledger.namespaces)

    def _satisfied(self, demand: Demand, kept: tuple[Address, ...]) -> bool | None:
        """None: what it keeps is all that it wants. True: its request is not met. False: it merely would take more."""
        if not kept:
            return True
        if demand.addresses:
            return None if set(kept) == set(demand.addresses) else True
        if demand.pool and any(self._pool_name(address) != demand.pool for address in kept):
            return True
        if len(kept) == len(demand.families):
            return None
        return demand.whole

    # --- serving

    def _serve(self, demand: Demand, kept: tuple[Address, ...]) -> tuple[Address, ...] | Refusal:
        if demand.addresses:
            return self._explicit(demand)
        pools = self._pools(demand)
        if isinstance(pools, Refusal):
            return pools
        self.waits |= {ANY_POOL, *(pool.name for pool in pools)}
        if kept and (added := self._second(demand, kept)) is not None:
            return added
        if kept and not demand.whole and not self._asks_to_move(demand, kept):
            return Refusal(sentences.EXHAUSTED, "")
        found = self._from_one_pool(demand.families, demand, pools)
        if found is None and not demand.whole:
            singles = (self._from_one_pool((family,), demand, pools) for family in demand.families)
            found = next((single for single in singles if single is not None), None)
        if found is None:
            return sentences.exhausted(self.entry.service.key, demand, pools)
        if len(found) == len(demand.families):
            self.waits.clear()
        return found

    def _asks_to_move(self, demand: Demand, kept: tuple[Address, ...]) -> bool:
        return bool(demand.pool) and any(self._pool_name(address) != demand.pool for address in kept)

    def _second(self, demand: Demand, kept: tuple[Address, ...]) -> tuple[Address, ...] | None:
        """The missing family from the pool of the first, which stays untouched."""
        if len(kept) >= len(demand.families) or self._asks_to_move(demand, kept):
            return None
        pool = self.ledger.pools.pool_of(kept[0])
        missing = [family for family in demand.families if family not in map(family_of, kept)]
        if pool is None:
            return None
        self.waits.add(pool.name)
        found = self._from_one_pool(missing, demand, [pool])
        if found is None:
            return None
        self.waits.clear()
        return demand.in_order((*kept, *found))

    def _explicit(self, demand: Demand) -> tuple[Address, ...] | Refusal:
        key = self.entry.service.key
        self.waits |= {ANY_POOL, *demand.addresses}
        for address in demand.addresses:
            pool = self.ledger.pools.pool_of(address)
            if address in self.entry.held and self.ledger.conflict(self.entry, address, settled_only=True) is None:
                continue
            if pool is None:
                return sentences.outside(key, address, list(self.ledger.pools.by_name))
            if demand.pool and demand.pool != pool.name:
                return sentences.other_pool(key, address, pool.name, demand.pool)
            if not permits(pool, self.entry.service, self.ledger.namespaces):
                return sentences.not_allowed(key, pool.name)
            other = self.ledger.conflict(self.entry, address, settled_only=False)
            if other is not None:
                return sentences.taken(key, address, other, demand)
        self.waits.clear()
        return demand.in_order(demand.addresses)

    def _pools(self, demand: Demand) -> list[Pool] | Refusal:
        key, index = self.entry.service.key, self.ledger.pools
        if not demand.pool:
            pools = index.serving(self.entry.service, self.ledger.namespaces)
            if pools:
                return pools
            self.waits.add(ANY_POOL)
            return sentences.no_pool(key, any_exists=bool(index.by_name))
        self.waits.add(ANY_POOL)
        pool = index.by_name.get(demand.pool)
        if pool is None:
            return sentences.unknown_pool(key, demand.pool, list(index.by_name))
        if not permits(pool, self.entry.service, self.ledger.namespaces):
            return sentences.not_allowed(key, pool.name)
        return [pool]

    def _from_one_pool(
        self, families: Sequence[Family], demand: Demand, pools: list[Pool]
    ) -> tuple[Address, ...] | None:
        """An address of each of the families from the first pool that can give them all."""
        for pool in pools:
            found = [self._one(pool, family, demand) for family in families]
            if None not in found:
                return tuple(address for address in found if address is not None)
        return None

    def _one(self, pool: Pool, family: Family, demand: Demand) -> Address | None:
        """The lowest address held under its sharing key that it may share, else the lowest free one."""
        if demand.sharing_key:
            for address in sorted(self.ledger.shared_addresses(demand.sharing_key), key=int):
                if family_of(address) is family and address in pool and not self._conflicts(address):
                    return address
        return self.ledger.lowest_free(pool, family)

    def _conflicts(self, address: Address) -> bool:
        return self.ledger.conflict(self.entry, address, settled_only=False) is not None

    # --- telling

    def _assignment(self, demand: Demand, addresses: tuple[Address, ...], unsatisfied: str = "") -> Assignment:
        ordered = demand.in_order(addresses)
        if unsatisfied:
            return self._named(ordered, AssignedReason.REQUEST_UNSATISFIED, unsatisfied)
        stranded = [address for address in ordered if self.ledger.pools.pool_of(address) is None]
        if stranded:
            message = sentences.stranded(self.entry.service.key, stranded)
            return self._named(ordered, AssignedReason.ADDRESS_NOT_IN_POOL, message)
        return self._named(ordered, AssignedReason.ASSIGNED, "")

    def _named(self, addresses: tuple[Address, ...], reason: AssignedReason, message: str) -> Assignment:
        pools = tuple(self._pool_name(address) for address in addresses)
        return Assignment(addresses, pools, reason, message or sentences.assigned(addresses, pools))

    def _pool_name(self, address: Address) -> str:
        pool = self.ledger.pools.pool_of(address)
        return pool.name if pool is not None else ""

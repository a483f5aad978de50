"""What was decided for a Service: it has addresses, or it has none and why."""

from dataclasses import dataclass
from typing import NamedTuple

from lb_controller.allocation.numbers import address_of
from lb_controller.model.address import Address
from lb_controller.model.reasons import AssignedReason, RefusalReason


@dataclass(frozen=True, slots=True)
class Refusal:
    """The Service has no address; `message` says what to do."""

    reason: RefusalReason
    message: str


class Assignment(NamedTuple):
    """The Service has these addresses (as `numbers`), in the order of its own families.

    `pools` names the pool that each was assigned from, "" where no pool covers it any more; `of_metallb` says that one
    of them is an object of MetalLB's. `note` says what is odd. `moved` is news rather than state: the addresses that it
    held before this decision and gave up because another host answers for them. `digest` is what to write down about
    sharing (Terms.digest), "" for nothing. (A tuple, because one is made for every decision: that takes a fifth of the
    time.)
    """

    numbers: tuple[int, ...]
    pools: tuple[str, ...]
    reason: AssignedReason = AssignedReason.ASSIGNED
    note: str = ""
    of_metallb: bool = False
    moved: tuple[int, ...] = ()
    digest: str = ""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses."""
        return tuple(map(address_of, self.numbers))

    @property
    def message(self) -> str:
        """The sentence that users read."""
        if self.note:
            return self.note
        origins = ", ".join(dict.fromkeys(pool for pool in self.pools if pool)) or "no pool"
        return f"assigned {' and '.join(map(str, self.addresses))} from IPAddressPool {origins}"


Outcome = Assignment | Refusal

"""What was decided for a Service: it has addresses, or it has none and why."""

from dataclasses import dataclass

from lb_controller.model.address import Address
from lb_controller.model.reasons import AssignedReason, RefusalReason


@dataclass(frozen=True, slots=True)
class Assignment:
    """The Service has `addresses`, in the order of its own families; `pools` names the pool of each, "" for none."""

    addresses: tuple[Address, ...]
    pools: tuple[str, ...]
    reason: AssignedReason
    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The Service has no address; `message` says what to do."""

    reason: RefusalReason
    message: str


Outcome = Assignment | Refusal

"""From what was decided and what is observed to what must be written: nothing where both agree.

One status patch carries addresses, condition and annotation together, so a status is never emptied in between; an Event
only where the outcome changed. The time of a transition is the shell's to fill in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from lb_controller.allocation.outcome import Assignment, Outcome
from lb_controller.model import names
from lb_controller.model.address import Address
from lb_controller.model.cluster import Condition, Service, ServiceKey
from lb_controller.model.reasons import AssignedReason


@unique
class EventType(StrEnum):
    """Type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class PatchStatus:
    """Write addresses, condition (None: remove ours) and annotations (absent: removed), if it is still that object."""

    key: ServiceKey
    uid: str
    resource_version: str
    ingress: tuple[Address, ...]
    condition: Condition | None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Post an Event about the Service."""

    key: ServiceKey
    uid: str
    type: EventType
    reason: str
    message: str


Effect = PatchStatus | EmitEvent


def effects(service: Service, outcome: Outcome) -> tuple[Effect, ...]:
    """What to write for this Service."""
    assigned = isinstance(outcome, Assignment)
    ingress = outcome.addresses if isinstance(outcome, Assignment) else ()
    notes = {}
    if isinstance(outcome, Assignment) and any(outcome.pools):
        pools = ",".join(dict.fromkeys(pool for pool in outcome.pools if pool))
        notes = {names.ANNOTATION_ASSIGNED_FROM_POOL: pools}
    condition = Condition(
        type=names.CONDITION_ASSIGNED,
        status="True" if assigned else "False",
        reason=outcome.reason.value,
        message=outcome.message,
        observed_generation=service.generation,
    )
    told = service.condition(names.CONDITION_ASSIGNED)
    news = told is None or (told.status, told.reason, told.message) != (
        "True" if assigned else "False",
        condition.reason,
        condition.message,
    )
    noted = service.annotations.get(names.ANNOTATION_ASSIGNED_FROM_POOL)
    if not news and service.ingress == ingress and noted == notes.get(names.ANNOTATION_ASSIGNED_FROM_POOL):
        return ()
    patch = PatchStatus(service.key, service.uid, service.resource_version, ingress, condition, notes)
    if not news and service.ingress == ingress:
        return (patch,)
    calm = outcome.reason is AssignedReason.ASSIGNED
    kind = EventType.NORMAL if calm else EventType.WARNING
    return (patch, EmitEvent(service.key, service.uid, kind, condition.reason, condition.message))


def release(service: Service) -> tuple[Effect, ...]:
    """What to write for a Service that exists but is no longer ours: our condition and annotation go."""
    noted = names.ANNOTATION_ASSIGNED_FROM_POOL in service.annotations
    if service.condition(names.CONDITION_ASSIGNED) is None and not noted:
        return ()
    return (PatchStatus(service.key, service.uid, service.resource_version, (), None),)

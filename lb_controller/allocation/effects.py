"""From what was decided and what is observed to what must be written: nothing where both agree.

One status patch carries addresses, condition and annotation together, so a status is never emptied in between; an Event
only where the outcome changed. The time of a transition is the shell's to fill in.

That an annotation is deprecated is said by one Event, and not again for as long as the same annotations are there: the
condition's message ends with the same remark, and so remembers over restarts what was said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

from lb_controller.allocation import sentences
from lb_controller.allocation.demand import deprecated
from lb_controller.allocation.numbers import address_of
from lb_controller.allocation.outcome import Assignment, Outcome
from lb_controller.model import names
from lb_controller.model.address import Address
from lb_controller.model.cluster import Condition, Service, ServiceKey
from lb_controller.model.reasons import AssignedReason, NewsReason

_OURS: Final = (names.ANNOTATION_ASSIGNED_FROM_POOL, names.ANNOTATION_SHARING_DIGEST)
_BEFORE_REMARK: Final = "; "
_REMARK: Final = f"{_BEFORE_REMARK}{names.DEPRECATED_PREFIX}"  # how the remark begins


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
    told, wanted = service.condition(names.CONDITION_ASSIGNED), _wanted(service, outcome)
    ingress, notes = _addresses(outcome), _notes(outcome)
    same = told is not None and (told.status, told.reason, told.message) == wanted
    if same and service.ingress == ingress and _noted(service, notes):
        return ()
    status, reason, message = wanted
    condition = Condition(names.CONDITION_ASSIGNED, status, reason, message, service.generation)
    patch = PatchStatus(service.key, service.uid, service.resource_version, ingress, condition, notes)
    return (patch, *_events(service, outcome, told, patch))


def _wanted(service: Service, outcome: Outcome) -> tuple[str, str, str]:
    """Status, reason and message; a remark at its end remembers what was said about deprecated annotations."""
    status, message = "True" if isinstance(outcome, Assignment) else "False", outcome.message
    if old_names := deprecated(service):
        message = f"{message}{_BEFORE_REMARK}{sentences.deprecated(old_names)}"
    return (status, outcome.reason.value, message)


def _events(service: Service, outcome: Outcome, told: Condition | None, patch: PatchStatus) -> Iterator[EmitEvent]:
    """The news for this Service; what it was told already is in its condition, so that a restart repeats nothing."""
    condition = patch.condition
    assert condition is not None
    message, mark, remark = condition.message.partition(_REMARK)
    if told is None or service.ingress != patch.ingress or _said(told) != _said(condition):
        kind = EventType.NORMAL if outcome.reason is AssignedReason.ASSIGNED else EventType.WARNING
        yield EmitEvent(service.key, service.uid, kind, condition.reason, message)
    if isinstance(outcome, Assignment) and outcome.moved:
        moved = tuple(map(address_of, outcome.moved))
        if any(address in service.ingress for address in moved):
            why, reason = sentences.moved(service.key, moved, patch.ingress), AssignedReason.ADDRESS_CONFLICT
            yield EmitEvent(service.key, service.uid, EventType.WARNING, reason.value, why)
    if mark and (told is None or not told.message.endswith(mark + remark)):
        why, news = f"{names.DEPRECATED_PREFIX}{remark}", NewsReason.DEPRECATED_ANNOTATION
        yield EmitEvent(service.key, service.uid, EventType.WARNING, news.value, why)


def _said(condition: Condition) -> tuple[str, str, str]:
    """What it says about the outcome: all but the remark."""
    return (condition.status, condition.reason, condition.message.partition(_REMARK)[0])


def _addresses(outcome: Outcome) -> tuple[Address, ...]:
    return outcome.addresses if isinstance(outcome, Assignment) else ()


def _notes(outcome: Outcome) -> dict[str, str]:
    if not isinstance(outcome, Assignment):
        return {}
    notes = {names.ANNOTATION_SHARING_DIGEST: outcome.digest} if outcome.digest else {}
    if not all(outcome.pools):
        return notes  # one name means all addresses: the ledger takes it for a request that was met
    pools = ",".join(dict.fromkeys(outcome.pools))
    notes[names.ANNOTATION_ASSIGNED_FROM_POOL] = pools
    if outcome.of_metallb:
        notes[names.ANNOTATION_METALLB_POOL] = pools
    return notes


def _noted(service: Service, notes: Mapping[str, str]) -> bool:
    """Whether the annotations stand there. One of MetalLB's that we do not want may be MetalLB's own: it may stay."""
    found = service.annotations
    if any(key in found and key not in notes for key in _OURS):
        return False
    return all(found.get(key) == value for key, value in notes.items())


def release(service: Service) -> tuple[Effect, ...]:
    """What to write for a Service that exists but is no longer ours: our condition and annotations go."""
    noted = any(key in service.annotations for key in _OURS)
    if service.condition(names.CONDITION_ASSIGNED) is None and not noted:
        return ()
    return (PatchStatus(service.key, service.uid, service.resource_version, (), None),)

"""Which Services are ours, and what an object of our own kinds is told about itself. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lb_controller.allocation.changes import AllocationSettings
from lb_controller.model import names
from lb_controller.model.cluster import Condition, Service
from lb_controller.model.config import Origin
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.reasons import ObjectReason


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide."""

    load_balancer_class: str
    serve_unclassed: bool = True
    allocation: AllocationSettings = field(default_factory=AllocationSettings)

    def serves(self, service: Service) -> bool:
        """Whether the Service is ours: by spec.loadBalancerClass, which cannot change while the type stays."""
        if service.load_balancer_class is None:
            return self.serve_unclassed
        return service.load_balancer_class == self.load_balancer_class


def accepted(raw: RawObject, problems: Iterable[Problem]) -> Condition:
    """Condition Accepted of one object by its problems: False with errors; True with the warnings in its message."""
    known = list(problems)
    errors = [problem for problem in known if problem.severity is Severity.ERROR]
    sentences = "; ".join(_sentence(problem) for problem in errors or known)
    return Condition(
        type=names.CONDITION_ACCEPTED,
        status="False" if errors else "True",
        reason=(errors[0].reason if errors else ObjectReason.ACCEPTED).value,
        message=sentences[:32768] or f"the {raw.kind} is in use",
        observed_generation=_generation(raw),
    )


def told(raw: RawObject, type_: str) -> Condition | None:
    """The condition of that type in the object's status, if there is one."""
    for found in _list(_mapping(raw.body.get("status")).get("conditions")):
        entry = _mapping(found)
        if entry.get("type") == type_:
            return Condition(
                type=type_,
                status=str(entry.get("status", "")),
                reason=str(entry.get("reason", "")),
                message=str(entry.get("message", "")),
                observed_generation=int(entry.get("observedGeneration") or 0),
                last_transition_time=str(entry.get("lastTransitionTime", "")),
            )
    return None


def status_fields(raw: RawObject, fields: Iterable[str]) -> Mapping[str, Any]:
    """The values of these fields in the object's status."""
    status = _mapping(raw.body.get("status"))
    return {name: status[name] for name in fields if name in status}


def uid_of(raw: RawObject) -> str:
    """metadata.uid."""
    return str(_mapping(raw.body.get("metadata")).get("uid", ""))


def is_ours(raw: RawObject) -> bool:
    """Whether we may write to the object."""
    return raw.origin is Origin.HERALDLB


def _sentence(problem: Problem) -> str:
    return f"{problem.field}: {problem.message}" if problem.field else problem.message


def _generation(raw: RawObject) -> int:
    found = _mapping(raw.body.get("metadata")).get("generation")
    return found if isinstance(found, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def same(told: Condition, wanted: Condition) -> bool:
    """Whether a condition says already what is wanted; the time of its transition does not count."""
    return (told.status, told.reason, told.message, told.observed_generation) == (
        wanted.status,
        wanted.reason,
        wanted.message,
        wanted.observed_generation,
    )

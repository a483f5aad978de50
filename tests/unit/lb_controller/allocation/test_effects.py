"""From an outcome to what is written: once, whole, and nothing where the status says it already."""

from dataclasses import replace

from lb_controller.allocation.effects import EmitEvent, EventType, PatchStatus, effects, release
from lb_controller.allocation.outcome import Outcome, Refusal
from lb_controller.model.cluster import Condition, Service
from lb_controller.model.names import CONDITION_ASSIGNED
from lb_controller.model.reasons import RefusalReason
from tests.support.allocation import World, pool, service


def outcome_of(found: Service) -> Outcome:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(found)
    return world.of("a")


def written(found: Service, patch: PatchStatus) -> Service:
    """The Service as the API server knows it after the patch."""
    conditions = (replace(patch.condition, last_transition_time="2026-01-01T00:00:00Z"),) if patch.condition else ()
    notes = {**{k: v for k, v in found.annotations.items() if "assigned-from" not in k}, **patch.annotations}
    return replace(found, ingress=patch.ingress, conditions=conditions, annotations=notes)


def test_a_new_assignment_is_one_patch_and_one_event() -> None:
    found = service("a")
    patch, event = effects(found, outcome_of(found))
    assert isinstance(patch, PatchStatus)
    assert list(map(str, patch.ingress)) == ["192.0.2.0"]
    assert patch.condition is not None
    assert (patch.condition.status, patch.condition.reason) == ("True", "Assigned")
    assert patch.annotations == {"heraldlb.io/assigned-from-pool": "p"}
    assert isinstance(event, EmitEvent)
    assert (event.type, event.reason) == (EventType.NORMAL, "Assigned")


def test_a_second_pass_writes_nothing() -> None:
    found = service("a")
    outcome = outcome_of(found)
    patch = effects(found, outcome)[0]
    assert isinstance(patch, PatchStatus)
    assert effects(written(found, patch), outcome) == ()


def test_a_refusal_is_told_by_condition_and_warning() -> None:
    found = service("a")
    patch, event = effects(found, Refusal(RefusalReason.NO_POOL, "why"))
    assert isinstance(patch, PatchStatus)
    assert patch.ingress == ()
    assert patch.condition == Condition(CONDITION_ASSIGNED, "False", "NoPool", "why")
    assert isinstance(event, EmitEvent)
    assert event.type is EventType.WARNING


def test_a_lost_annotation_alone_is_written_again_without_an_event() -> None:
    found = service("a")
    outcome = outcome_of(found)
    patch = effects(found, outcome)[0]
    assert isinstance(patch, PatchStatus)
    told = replace(written(found, patch), annotations={})
    [again] = effects(told, outcome)
    assert isinstance(again, PatchStatus)


def test_a_service_that_is_ours_no_more_loses_our_condition() -> None:
    found = service("a")
    assert release(found) == ()
    told = replace(found, conditions=(Condition(CONDITION_ASSIGNED, "True", "Assigned", ""),))
    [patch] = release(told)
    assert isinstance(patch, PatchStatus)
    assert patch.condition is None

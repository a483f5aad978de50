"""From an outcome to what is written: once, whole, and nothing where the status says it already."""

from dataclasses import replace

from lb_controller.allocation.effects import EmitEvent, EventType, PatchStatus, effects, release
from lb_controller.allocation.outcome import Outcome, Refusal
from lb_controller.model.cluster import Condition, Service
from lb_controller.model.config import Origin
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


def test_a_move_away_from_a_foreign_host_is_told_once() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    found = service("a", held=("192.0.2.0",))
    world.put(found)
    world.quarantine("192.0.2.0")
    patch, event, why = effects(found, world.of("a"))
    assert isinstance(patch, PatchStatus)
    assert list(map(str, patch.ingress)) == ["192.0.2.1"]
    assert isinstance(event, EmitEvent)
    assert isinstance(why, EmitEvent)
    assert (event.reason, why.reason, why.type) == ("Assigned", "AddressConflict", EventType.WARNING)
    assert "192.0.2.0" in why.message
    assert effects(written(found, patch), world.of("a")) == ()


def test_deprecated_annotations_are_told_once_for_as_long_as_they_stay_the_same() -> None:
    old = "metallb.universe.tf/address-pool"
    found = replace(service("a"), annotations={old: "p"})
    outcome = outcome_of(found)
    patch, event, warning = effects(found, outcome)
    assert isinstance(patch, PatchStatus)
    assert isinstance(event, EmitEvent)
    assert isinstance(warning, EmitEvent)
    assert (warning.type, warning.reason) == (EventType.WARNING, "DeprecatedAnnotation")
    assert old in warning.message
    assert (event.type, old in event.message) == (EventType.NORMAL, False)
    told = written(found, patch)
    assert effects(told, outcome) == ()
    later = effects(told, Refusal(RefusalReason.NO_POOL, "why"))
    assert [type(effect) for effect in later] == [PatchStatus, EmitEvent], "other news do not repeat it"
    more = replace(told, annotations={**told.annotations, "metallb.universe.tf/allow-shared-ip": "k"})
    [only] = [e for e in effects(more, outcome) if isinstance(e, EmitEvent)]
    assert only.reason == "DeprecatedAnnotation", "the outcome is no news"
    [gone] = effects(replace(told, annotations=patch.annotations), outcome)
    assert isinstance(gone, PatchStatus)
    assert gone.condition is not None
    assert gone.condition.message == outcome.message


def test_metallb_s_annotation_is_written_where_the_pool_is_metallb_s_own() -> None:
    world = World(replace(pool("p", "192.0.2.0/24"), origin=Origin.METALLB))
    found = service("a")
    world.put(found)
    patch, _ = effects(found, world.of("a"))
    assert isinstance(patch, PatchStatus)
    assert patch.annotations == {"heraldlb.io/assigned-from-pool": "p", "metallb.io/ip-allocated-from-pool": "p"}
    assert effects(written(found, patch), world.of("a")) == ()


def test_an_annotation_that_metallb_left_behind_causes_no_writes() -> None:
    found = replace(service("a"), annotations={"metallb.io/ip-allocated-from-pool": "p"})
    outcome = outcome_of(found)
    patch = effects(found, outcome)[0]
    assert isinstance(patch, PatchStatus)
    assert effects(written(found, patch), outcome) == ()


def test_a_service_that_is_ours_no_more_loses_our_condition() -> None:
    found = service("a")
    assert release(found) == ()
    told = replace(found, conditions=(Condition(CONDITION_ASSIGNED, "True", "Assigned", ""),))
    [patch] = release(told)
    assert isinstance(patch, PatchStatus)
    assert patch.condition is None

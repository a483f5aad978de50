"""From decisions to the bodies of requests: what only the shell knows is filled in here, the time above all."""

from dataclasses import replace
from datetime import UTC, datetime

from lb_controller.allocation.effects import EmitEvent
from lb_controller.app.inputs import SOURCES
from lb_controller.app.reconcile import ObjectWrite, ServiceWrite
from lb_controller.app.rules import uid_of
from lb_controller.app.writers import ObjectId, StatusJob
from lb_controller.kube.events import About, Event
from lb_controller.kube.patch import object_status, service_status, transition_time
from lb_controller.kube.resources import SERVICES


def service_job(id_: ObjectId, write: ServiceWrite, now: str) -> StatusJob:
    """The write of a Service's status; `now` is RFC 3339."""
    service, patch = write.service, write.patch
    conditions = []
    if patch.condition is not None:
        told = service.condition(patch.condition.type)
        since = transition_time(told, patch.condition.status, now)
        conditions = [replace(patch.condition, last_transition_time=since)]
    body = service_status(
        patch.key.name,
        patch.key.namespace,
        patch.resource_version,
        ingress=patch.ingress,
        conditions=conditions,
        annotations=patch.annotations,
    )
    events = tuple(_service_event(event, now) for event in write.events)
    urgent = bool(patch.ingress) and not service.ingress
    return StatusJob(id_, SERVICES.object_path(*patch.key), body, events, urgent)


def _service_event(effect: EmitEvent, now: str) -> Event:
    about = About(
        api_version="v1", kind="Service", namespace=effect.key.namespace, name=effect.key.name, uid=effect.uid
    )
    return Event(about, effect.type.value, effect.reason, effect.message, now)


def object_job(write: ObjectWrite, now: str) -> StatusJob:
    """The write of the status of one of our own objects, with a Warning Event where bad news is new."""
    raw, resource = write.raw, SOURCES[write.raw.kind]
    since = transition_time(write.told, write.condition.status, now)
    condition = replace(write.condition, last_transition_time=since)
    body = object_status(resource.api_version, raw.kind, raw.name, conditions=[condition], fields=write.fields)
    events: tuple[Event, ...] = ()
    news = write.told is None or (write.told.reason, write.told.message) != (condition.reason, condition.message)
    if news and condition.status == "False":
        about = About(api_version=resource.api_version, kind=raw.kind, namespace="", name=raw.name, uid=uid_of(raw))
        events = (Event(about, "Warning", condition.reason, condition.message, now),)
    return StatusJob((raw.kind, ("", raw.name)), resource.object_path("", raw.name), body, events)


def rfc3339() -> str:
    """The time now, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

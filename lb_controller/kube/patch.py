"""Bodies of server-side apply for status: what we own and nothing else, so that nobody's fields are lost.

A body that names a resourceVersion makes the write conditional: the API server answers Conflict when the object changed
since it was read. What an earlier body of the same field manager owned and this one leaves out is removed. An
annotation may ride on the status subresource of a Service: one write instead of two. Reading `lastTransitionTime`
before it is written keeps it where the condition's status did not change (metav1.Condition).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lb_controller.model.address import Address
from lb_controller.model.cluster import Condition

Body = dict[str, Any]


def service_status(  # noqa: PLR0913 - the parts of one body
    name: str,
    namespace: str,
    version: str,
    *,
    ingress: Iterable[Address] | None,
    conditions: Iterable[Condition],
    annotations: Mapping[str, str],
) -> Body:
    """Status of a Service: addresses in order, with ipMode VIP (None: leave out), our conditions and annotations."""
    metadata: Body = {"name": name, "namespace": namespace, "resourceVersion": version}
    if annotations:
        metadata["annotations"] = dict(annotations)
    status: Body = {}
    if ingress is not None:
        status["loadBalancer"] = {"ingress": [{"ip": str(address), "ipMode": "VIP"} for address in ingress]}
    if listed := [condition_body(condition) for condition in conditions]:
        status["conditions"] = listed
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "status": status}


def object_status(
    api_version: str, kind: str, name: str, *, conditions: Iterable[Condition], fields: Mapping[str, Any]
) -> Body:
    """Status of a cluster-scoped object of our own: conditions and other status fields; not conditional."""
    status = {**fields, "conditions": [condition_body(condition) for condition in conditions]}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "status": status}


def condition_body(condition: Condition) -> Body:
    """A metav1.Condition."""
    return {
        "type": condition.type,
        "status": condition.status,
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": condition.last_transition_time,
        "reason": condition.reason,
        "message": condition.message,
    }


def transition_time(told: Condition | None, status: str, now: str) -> str:
    """`lastTransitionTime`: the told one while the status stays the same, otherwise now (RFC 3339)."""
    return told.last_transition_time if told is not None and told.status == status else now

"""What the speaker writes as status, as bodies of server-side apply, and how a BGPNodeStatus is read back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from lb_controller.kube.patch import Body, condition_body, transition_time
from lb_controller.kube.resources import SERVICES, Resource, custom
from lb_controller.model import names
from lb_controller.model.cluster import Condition, Node, Service
from lb_controller.model.parse.objects import RawObject
from speaker.decide.announced import Verdict
from speaker.decide.told import SessionTold
from speaker.ipc.messages import Phase

NODE_STATUSES = Resource(names.GROUP, names.VERSION, names.PLURAL_BGP_NODE_STATUS)
_BGP_PEERS = custom(names.KIND_BGP_PEER)


class _Session(msgspec.Struct, rename="camel"):
    peer: str
    state: str = Phase.CONNECTING
    address: str = ""
    since: str = ""
    last_error: str = ""
    note: str = ""
    routes: int = 0
    bfd: str = ""


class _Status(msgspec.Struct):
    sessions: list[_Session] | None = None


class _NodeStatus(msgspec.Struct):
    status: _Status | None = None


_node_status = msgspec.json.Decoder(_NodeStatus)


def read_node_status(raw: msgspec.Raw) -> tuple[SessionTold, ...]:
    """The sessions in a BGPNodeStatus. Raises msgspec.ValidationError."""
    status = _node_status.decode(raw).status
    found = status.sessions if status is not None else None
    return tuple(
        SessionTold(
            peer=entry.peer,
            state=Phase(entry.state) if entry.state in list(Phase) else Phase.CONNECTING,
            address=entry.address,
            since=_seconds(entry.since),
            last_error=entry.last_error,
            note=entry.note,
            routes=entry.routes,
            bfd=entry.bfd,
        )
        for entry in found or ()
    )


def node_status_path(node: str) -> str:
    """Where the BGPNodeStatus of a node is applied."""
    return NODE_STATUSES.object_path("", node)


def node_status_body(node: Node, sessions: Iterable[SessionTold]) -> Body:
    """The BGPNodeStatus of a node; it goes when the Node goes."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
    return {
        "apiVersion": NODE_STATUSES.api_version,
        "kind": names.KIND_BGP_NODE_STATUS,
        "metadata": {"name": node.name, "ownerReferences": [owner]},
        "status": {"sessions": [_session_body(entry) for entry in sessions]},
    }


def _session_body(entry: SessionTold) -> Body:
    texts = {
        "address": entry.address,
        "since": _time(entry.since) if entry.since else "",
        "lastError": entry.last_error[:1024],
        "note": entry.note[:1024],
        "bfd": entry.bfd,
    }
    told = {name: text for name, text in texts.items() if text}
    return {"peer": entry.peer, "state": str(entry.state), **told, "routes": entry.routes}


def as_read(sessions: Iterable[SessionTold]) -> tuple[SessionTold, ...]:
    """The sessions as they come back from the API server: long texts are cut."""
    cut = msgspec.json.encode({"status": {"sessions": [_session_body(entry) for entry in sessions]}})
    return read_node_status(msgspec.Raw(cut))


def announced_path(service: Service) -> str:
    """Where the condition of a Service is applied."""
    return f"{SERVICES.object_path(service.key.namespace, service.key.name)}/status"


def announced_body(service: Service, verdict: Verdict | None, now: float) -> Body:
    """The condition Announced of a Service; None removes it."""
    conditions = []
    if verdict is not None:
        told = service.condition(names.CONDITION_ANNOUNCED)
        conditions = [_condition(names.CONDITION_ANNOUNCED, verdict, told, service.generation, now)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service.key.name, "namespace": service.key.namespace},
        "status": {"conditions": conditions} if conditions else {},
    }


def peer_path(name: str) -> str:
    """Where the condition of a BGPPeer is applied."""
    return f"{_BGP_PEERS.object_path('', name)}/status"


def peer_body(raw: RawObject, verdict: Verdict, now: float) -> Body:
    """The condition Established of a BGPPeer."""
    told = raw.condition(names.CONDITION_ESTABLISHED)
    return {
        "apiVersion": _BGP_PEERS.api_version,
        "kind": names.KIND_BGP_PEER,
        "metadata": {"name": raw.name},
        "status": {"conditions": [_condition(names.CONDITION_ESTABLISHED, verdict, told, raw.generation, now)]},
    }


def says(told: Condition | None, verdict: Verdict) -> bool:
    """Whether the condition says the verdict already."""
    return told is not None and (told.status, told.reason, told.message) == (
        verdict.status,
        verdict.reason,
        verdict.message[:32768],
    )


def _condition(
    type_: str, verdict: Verdict, told: Condition | None, generation: int, now: float
) -> Mapping[str, object]:
    at = transition_time(told, verdict.status, _time(now))
    return condition_body(Condition(type_, verdict.status, verdict.reason, verdict.message[:32768], generation, at))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 0

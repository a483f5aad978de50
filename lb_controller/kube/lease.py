"""One active replica by a Lease: the decision (pure), and the loop that reads and writes the Lease.

No clock of another machine is trusted: a Lease counts as expired when *this* process has seen it unchanged for its
whole duration, by a clock of its own that only runs forward. The holder counts from before it sent its last successful
renewal and stops writing a margin earlier, so its last write is over before anybody else may begin, whatever the clocks
say. Every write of the Lease names the resourceVersion that was read. On a planned stop the holder empties the Lease,
and the next replica begins at its next look.

    not holder: look every `poll` s;  free, or unchanged for its duration -> take it
    holder:     renew every `renew` s; may_act until renewed_at + duration - margin; taken by another -> not holder
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto, unique
from typing import Any

import msgspec
import structlog

from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, Conflict, NotFound
from lb_controller.kube.resources import LEASES
from lb_controller.model import names

_RELEASED_SECONDS = 1.0  # the least that the API accepts


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A Lease as it was read; `holder` "" is nobody; `duration` in seconds."""

    version: str = ""
    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def free(self) -> bool:
        """Whether its holder gave it away, or nobody ever had it. One that a person emptied keeps its duration."""
        return not self.holder and self.duration <= _RELEASED_SECONDS


@dataclass(frozen=True, slots=True)
class Sight:
    """A Lease, and since when (own monotonic clock, seconds) it has been seen unchanged."""

    view: LeaseView
    since: float

    def look(self, view: LeaseView, now: float, *, me: str = "") -> "Sight":
        """The Lease read again at `now`.

        Whoever deletes the Lease, or writes `me` into it, does not stop its holder: that one still counts, for the
        whole duration from now.
        """
        if view.version == self.view.version:
            return self
        if self.view.holder not in ("", me):
            if not view.version:
                return Sight(replace(self.view, version=""), now)
            if view.holder == me:
                return Sight(replace(view, holder=self.view.holder), now)
        return Sight(view, now)


@unique
class Step(Enum):
    """What to do about the Lease."""

    TAKE = auto()
    RENEW = auto()
    WAIT = auto()


def decide(sight: Sight, me: str, now: float) -> Step:
    """Renew what is mine, take what is free or was not renewed for its whole duration, else wait."""
    if sight.view.holder == me:
        return Step.RENEW
    if sight.view.free or now - sight.since >= sight.view.duration:
        return Step.TAKE
    return Step.WAIT


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a Lease holds, how often it is renewed, how often others look, how early the holder stops."""

    duration: float = 12.0
    renew: float = 2.0
    poll: float = 1.0
    margin: float = 3.0

    def acts_until(self, renewed_at: float) -> float:
        """The moment after which the holder must not write."""
        return renewed_at + self.duration - self.margin


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    acquire_time: str | None = None


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Lease(msgspec.Struct):
    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)


_decode = msgspec.json.Decoder(_Lease).decode


@dataclass(frozen=True, slots=True)
class Candidacy:
    """Which Lease, and who asks for it; `me` must be unique among the replicas, and may stay over a restart."""

    namespace: str
    name: str
    me: str
    timing: Timing = Timing()


class Leadership:
    """The loop around one Lease. `on_change` is called with True and False as this process begins and ends to lead.

    `notes` are annotations that the holder puts on the Lease with each renewal; of our prefix no others stay.
    """

    def __init__(
        self,
        api: Api,
        candidacy: Candidacy,
        on_change: Callable[[bool], None],
        notes: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._api, self._on_change, self._notes = api, on_change, notes
        self._candidacy, self._me, self._timing = candidacy, candidacy.me, candidacy.timing
        self._path = LEASES.object_path(candidacy.namespace, candidacy.name)
        self._sight: Sight | None = None
        self._acquired = ""
        self._renewed_at = float("-inf")
        self._leading = self._claimed = False
        self._log = structlog.get_logger().bind(part="lease", me=candidacy.me)
        self.failing: str | None = None

    def may_act(self) -> bool:
        """Whether a write that begins now is safe."""
        return self._leading and _now() < self._timing.acts_until(self._renewed_at)

    async def run(self) -> None:
        """Hold or watch the Lease until cancelled."""
        while True:
            try:
                # An answer later than this is of no use, and waiting for it would hide that time is up.
                async with asyncio.timeout(self._timing.renew * 2):
                    await self._step()
                self.failing = None
            except (ApiError, TimeoutError) as error:
                self._note_failure(str(error) or "no answer in time")
            self._set_leading(_now() < self._timing.acts_until(self._renewed_at))
            await asyncio.sleep(self._timing.renew if self._leading and self._sight is not None else self._timing.poll)

    async def release(self) -> None:
        """Leave the Lease to the next; call it when nothing is being written any more."""
        held, self._renewed_at = self._leading, float("-inf")
        self._set_leading(False)
        if held and self._sight is not None:
            await self._write(replace(self._sight.view, holder="", duration=_RELEASED_SECONDS))
            self._log.info("lease_released")

    async def _step(self) -> None:
        now = _now()
        sight = self._sight
        if sight is None or sight.view.holder != self._me:
            view = await self._read()
            me = "" if self._claimed else self._me
            sight = Sight(view, now) if sight is None else sight.look(view, now, me=me)
        self._sight = sight
        if sight.view.holder != self._me:
            self._renewed_at, self._claimed = float("-inf"), False
        step = decide(sight, self._me, _now())
        if step is Step.WAIT:
            return
        if step is Step.TAKE or not self._acquired:
            self._acquired = _micro_time()
        transitions = sight.view.transitions + (1 if step is Step.TAKE and sight.view.version else 0)
        wanted = replace(sight.view, holder=self._me, duration=self._timing.duration, transitions=transitions)
        before = _now()
        self._claimed = True  # from here on our name in the Lease may be our own writing, whose answer was lost
        try:
            self._sight = Sight(await self._write(wanted), before)
        except (Conflict, NotFound):
            # What was read is worth nothing: somebody wrote it, or our own write arrived whose answer was lost.
            self._sight = None
            if not sight.view.version:
                raise  # no Lease and none can be made: its namespace is missing, or another was quicker
            return
        self._renewed_at = before  # from before the request: nobody can have seen the renewal earlier

    async def _read(self) -> LeaseView:
        try:
            return _view(await self._api.get(self._path))
        except NotFound:
            return LeaseView()

    async def _write(self, view: LeaseView) -> LeaseView:
        body = self._body(view)
        if not view.version:
            return _view(await self._api.post(LEASES.object_path(self._candidacy.namespace, "").rstrip("/"), body))
        return _view(await self._api.put(self._path, body))

    def _body(self, view: LeaseView) -> dict[str, Any]:
        kept = {key: value for key, value in view.annotations.items() if not key.startswith(f"{names.GROUP}/")}
        metadata: dict[str, Any] = {"name": self._candidacy.name, "namespace": self._candidacy.namespace}
        metadata |= {"labels": dict(view.labels), "annotations": {**kept, **self._notes()}}
        if view.version:
            metadata["resourceVersion"] = view.version
        spec = {
            "holderIdentity": view.holder,
            "leaseDurationSeconds": max(1, round(view.duration)),
            "leaseTransitions": view.transitions,
            "acquireTime": self._acquired or _micro_time(),
            "renewTime": _micro_time(),  # for people: nobody decides by it
        }
        return {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _set_leading(self, leading: bool) -> None:
        if leading == self._leading:
            return
        self._leading = leading
        self._log.info("leading" if leading else "not_leading")
        self._on_change(leading)

    def _note_failure(self, why: str) -> None:
        if self.failing is None:
            self._log.warning("lease_failing", why=why)
        self.failing = why


def _view(raw: bytes) -> LeaseView:
    found = _decode(raw)
    spec = found.spec
    return LeaseView(
        version=found.metadata.resource_version,
        holder=spec.holder_identity or "",
        duration=float(spec.lease_duration_seconds or 0),
        transitions=spec.lease_transitions or 0,
        labels=found.metadata.labels or {},
        annotations=found.metadata.annotations or {},
    )


def _now() -> float:
    """Seconds of a clock that only runs forward, and runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

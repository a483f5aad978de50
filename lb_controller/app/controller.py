"""The one consumer: takes news in order, lets the Reconciler decide, and hands out what must be written.

    kopf thread --- seen ---+                        +--> Writer (32 workers) --> report --> inbox
    Lister -------- lists --+--> inbox -> Controller +--> Leavers
    Leadership -- leading --+                        +--> EventPoster

News are taken in batches, so a burst is decided in few passes. A write that failed is not repeated: its object is
looked at again after a wait, and written if it still differs. While the API server is away a few probe for the others.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lb_controller.app.inputs import SERVICE, Value, from_json, is_watched
from lb_controller.app.jobs import object_job, rfc3339, service_job
from lb_controller.app.leavers import Leavers
from lb_controller.app.lister import AllListed, Listed, Lister
from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.observed import Sighting
from lb_controller.app.pace import Pace
from lb_controller.app.reconcile import Reconciler
from lb_controller.app.tell import tell
from lb_controller.app.writers import Ending, ObjectId, Report, Writer
from lb_controller.kube.errors import ApiError, Unauthorized, Unavailable
from lb_controller.kube.events import EventPoster
from lb_controller.model.cluster import Condition, Contest, Service, ServiceKey
from lb_controller.runtime.backoff import Backoff
from lb_controller.runtime.logging import logger

_BATCH = 500
_TICK_SECONDS = 1.0
_PROBES = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A watch saw the object, or saw it go."""

    source: str
    sighting: Sighting[Value]
    gone: bool


@dataclass(frozen=True, slots=True)
class Leading:
    """This replica begins (or ceases) to be the active one."""

    now: bool


@dataclass(frozen=True, slots=True)
class Contested:
    """Other load balancers run, or run no more, beside ours."""

    contest: Contest


@dataclass(frozen=True, slots=True)
class Again:
    """Look again at these objects; none named means some of those that wait for the API server."""

    ids: tuple[ObjectId, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A second has passed."""


Message = Seen | Listed | AllListed | Leading | Contested | Again | Report | Tick


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the Controller hands its work to."""

    writer: Writer
    leavers: Leavers
    events: EventPoster
    lister: Lister


class Controller:
    """Consumes the inbox; everything that runs beside it reports there by `put`."""

    def __init__(self, reconciler: Reconciler, metrics: ControllerMetrics) -> None:
        self.reconciler, self._metrics = reconciler, metrics
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outlets: Outlets | None = None
        self._leading = False
        self._begin_at = 0
        self._shown = -1
        self._pace: Pace[str] = Pace()  # by UID: a Service made anew under its name owes nothing
        self._blocked: set[ObjectId] = set()
        self._said: dict[ObjectId, tuple[Condition, dict[str, Any]]] = {}
        self._backoff = Backoff(random.random, most=5.0)
        self._log = logger(part="controller")

    def put(self, message: Message) -> None:
        """Take news; call it on the event loop."""
        self._inbox.put_nowait(message)

    def connect(self, outlets: Outlets) -> None:
        """Say where work goes; before `run`."""
        self._outlets = outlets

    async def run(self) -> None:
        """Consume until cancelled."""
        assert self._outlets is not None
        outlets = self._outlets
        while True:
            batch = [] if self.reconciler.unfinished else [await self._inbox.get()]
            while len(batch) < _BATCH and not self._inbox.empty():
                batch.append(self._inbox.get_nowait())
            for message in batch:
                self._take(outlets, message)
            self._act(outlets)
            await asyncio.sleep(0)

    async def tick(self) -> None:
        """Put a Tick now and each second, until cancelled."""
        while True:
            self.put(Tick())
            await asyncio.sleep(_TICK_SECONDS)

    # --- news

    def _take(self, outlets: Outlets, message: Message) -> None:  # noqa: C901 - one case for each kind of news
        match message:
            case Seen(source, sighting, True):
                self.reconciler.lose(source, sighting.key, sighting.version)
            case Seen(source, sighting):
                self.reconciler.see(source, sighting)
            case Listed(source, items, version, unread):
                self.reconciler.take_list(source, items, version, unread)
            case AllListed(number):
                self._begin_if_due(number)
            case Leading(now):
                self._change_lead(outlets, leading=now)
            case Contested(contest):
                self.reconciler.contest = contest
                self._metrics.rivals.set(len(contest.rivals))
                outlets.writer.clear()
                if self._leading:
                    self._change_lead(outlets, leading=True)
            case Again(ids):
                self._look_again(ids or self._probes())
            case Report():
                self._take_report(outlets, message)
            case Tick():
                self._pace.forget_idle(time.monotonic())
                self.reconciler.tick(time.monotonic())
                self._write_objects(outlets)
                self._show()

    def _show(self) -> None:
        """The gauges, but only where something was decided: counting 10,000 Services each second is not for nothing."""
        if self._shown != self.reconciler.revision:
            self._shown = self.reconciler.revision
            self._metrics.show(self.reconciler.ledger, len(self.reconciler.shadowed))
        self._metrics.show_invalid(self.reconciler.invalid())  # an object can be refused without any decision

    def _change_lead(self, outlets: Outlets, *, leading: bool) -> None:
        self._leading = leading
        self.reconciler.rest()
        self._metrics.is_leader.set(0)
        if leading:
            # What the previous leader wrote last may not have come by the watch: list first, then decide.
            self._begin_at = outlets.lister.poke()

    def _begin_if_due(self, number: int) -> None:
        self._said.clear()
        if self._leading and self.reconciler.ledger is None and number >= self._begin_at:
            self.reconciler.begin()
            self._metrics.is_leader.set(1)
            self._log.info("assigning", services=len(self.reconciler.observed[SERVICE].objects))
        elif self.reconciler.ledger is not None:
            # A net under everything: what should be written and is not, for whatever cause, is written now.
            self.reconciler.touch(self.reconciler.ledger.entries)
            self.reconciler.objects_stale = True

    def _take_report(self, outlets: Outlets, report: Report) -> None:
        id_, ending = report.job.id, report.ending
        self._metrics.writes.labels(id_[0], ending.name.lower()).inc()
        if report.raw is not None:
            self._take_answer(id_[0], report.raw)
        match ending:
            case Ending.WRITTEN:
                self._reached(id_)
                for event in report.job.events:
                    outlets.events.post(event)
                    tell(self._log, event)
            case Ending.CHANGED_MEANWHILE:
                self._metrics.conflicts.inc()
                self._reached(id_)
            case Ending.VANISHED:
                self._forget(id_)
            case Ending.NOT_ALLOWED:
                # After a pause of the process the Lease may be renewed before anybody notices that it had run out.
                self._later(_TICK_SECONDS, Again((id_,)))
            case Ending.FAILED:
                self._wait_after(id_, report.error)

    def _take_answer(self, source: str, raw: bytes) -> None:
        sighting = from_json(source, raw)
        if is_watched(source, raw):
            self.reconciler.see(source, sighting)
        else:
            # Its type changed while we wrote; the watch tells of that only once, and perhaps told it before.
            self.reconciler.lose(source, sighting.key, sighting.version)

    def _forget(self, id_: ObjectId) -> None:
        source, key = id_
        known = self.reconciler.observed[source].objects.get(key)
        if known is not None:
            self.reconciler.lose(source, key, known.version)

    # --- waiting after failures

    def _wait_after(self, id_: ObjectId, error: ApiError | None) -> None:
        """Look at the object again later: with all others when the API server is away, else by itself."""
        if not isinstance(error, Unavailable | Unauthorized):
            uid = self._uid(id_)
            self._log.warning("write_failed", kind=id_[0], object="/".join(id_[1]), uid=uid, why=str(error))
            self._later(30.0 * (0.5 + random.random()), Again((id_,)))
            return
        if not self._blocked:
            self._log.warning("writes_wait_for_api_server", why=str(error))
            self._later(self._backoff.next(), Again())
        self._blocked.add(id_)

    def _uid(self, id_: ObjectId) -> str:
        known = self.reconciler.observed[id_[0]].get(id_[1])
        return known.uid if isinstance(known, Service) else ""

    def _probes(self) -> tuple[ObjectId, ...]:
        """Some of those that wait; the others go as soon as one of them got through."""
        probes = tuple(itertools.islice(self._blocked, _PROBES))
        self._blocked.difference_update(probes)
        if self._blocked:
            self._later(self._backoff.next(), Again())
        return probes

    def _reached(self, id_: ObjectId) -> None:
        """The API server answers: everything that waited for it may go, and the written object is looked at again."""
        if id_[0] == SERVICE:
            self._pace.spend(self._uid(id_), time.monotonic())
            self.reconciler.touch([ServiceKey(*id_[1])])
        self._backoff.reset()
        if self._blocked:
            self._log.info("writes_go_on", objects=len(self._blocked))
            ids, self._blocked = self._blocked, set()
            self._look_again(ids)

    def _look_again(self, ids: Iterable[ObjectId]) -> None:
        for source, key in ids:
            self._said.pop((source, key), None)
            if source == SERVICE:
                self.reconciler.touch([ServiceKey(*key)])
            else:
                self.reconciler.objects_stale = True

    def _later(self, seconds: float, message: Message) -> None:
        asyncio.get_running_loop().call_later(seconds, self.put, message)

    # --- work

    def _act(self, outlets: Outlets) -> None:
        begin = time.perf_counter()
        work = self.reconciler.work()
        if work.writes:
            self._metrics.plan_seconds.set(time.perf_counter() - begin)
        for key in work.quiet:
            outlets.writer.withdraw((SERVICE, key))
        now, clock = rfc3339(), time.monotonic()
        for write in work.writes:
            id_ = (SERVICE, write.service.key)
            if wait := self._pace.wait(write.service.uid, clock):
                self._later(wait, Again((id_,)))
            else:
                outlets.writer.submit(service_job(id_, write, now))
        for service in work.left:
            outlets.leavers.submit(service)

    def _write_objects(self, outlets: Outlets) -> None:
        if not self.reconciler.objects_stale:
            return
        now = rfc3339()
        for write in self.reconciler.object_work():
            job = object_job(write, now)
            said = (write.condition, dict(write.fields))
            # An API server that drops what was said (a CRD without that field) is not told the same again and again.
            if self._said.get(job.id) != said:
                self._said[job.id] = said
                outlets.writer.submit(job)

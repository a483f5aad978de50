"""Writing statuses: many objects at once, one write at a time for each object, the latest wish only.

A worker reports how each write ended and does not retry: whoever submitted it looks at the object again and submits
what is needed then. So a write is never repeated with stale content. A write is conditional by resourceVersion; on a
conflict the worker fetches the newer object and reports it.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Any

from lb_controller.app.observed import Key
from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, Conflict, NotFound, Rejected
from lb_controller.kube.events import Event
from lb_controller.model import names

ObjectId = tuple[str, Key]


@unique
class Ending(Enum):
    """How a write ended."""

    WRITTEN = auto()
    CHANGED_MEANWHILE = auto()
    VANISHED = auto()
    FAILED = auto()
    NOT_ALLOWED = auto()


@dataclass(frozen=True, slots=True)
class StatusJob:
    """Apply `body` to the status of the object at `path`; `events` are to be told once it is written.

    `urgent` is what somebody waits for, an address: it goes before news of those that have theirs.
    """

    id: ObjectId
    path: str
    body: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a job; `raw` is the object as it is now, where that is known."""

    job: StatusJob
    ending: Ending
    raw: bytes | None = None
    error: ApiError | None = None


class Writer:
    """A queue of jobs, the latest of each object; `run` is one worker, several may run at once.

    `may_write` is asked just before each write. A job for an object that is being written is not taken: the report of
    the running one comes soon and is the moment to submit it.
    """

    def __init__(self, api: Api, may_write: Callable[[], bool], report: Callable[[Report], None]) -> None:
        self._api, self._may_write, self._report = api, may_write, report
        self._waiting: dict[ObjectId, StatusJob] = {}
        self._writing: set[ObjectId] = set()
        # (not urgent, number, id): an id may stand there twice, and the second finds nothing to write.
        self._queue: asyncio.PriorityQueue[tuple[bool, int, ObjectId]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, job: StatusJob) -> None:
        """Write this as soon as a worker is free, instead of what was submitted for the object before."""
        if job.id in self._writing:
            return
        waiting = self._waiting.get(job.id)
        if waiting is None or (job.urgent and not waiting.urgent):
            self._queue.put_nowait((not job.urgent, next(self._numbers), job.id))
        self._waiting[job.id] = job

    def busy(self) -> bool:
        """Whether jobs wait for a worker."""
        return bool(self._waiting)

    def withdraw(self, id_: ObjectId) -> None:
        """Nothing need be written to the object, if the write has not begun."""
        self._waiting.pop(id_, None)

    def clear(self) -> None:
        """Begin none of the writes that wait."""
        self._waiting.clear()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            job = self._waiting.pop((await self._queue.get())[2], None)
            if job is None:
                continue
            self._writing.add(job.id)
            self._idle.clear()
            try:
                report = await self._write(job)
            finally:
                self._writing.discard(job.id)
                if not self._writing:
                    self._idle.set()
            self._report(report)

    async def drain(self, seconds: float) -> bool:
        """Begin no more writes and wait for the running ones; False if some are still running after `seconds`."""
        self.clear()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _write(self, job: StatusJob) -> Report:
        if not self._may_write():
            return Report(job, Ending.NOT_ALLOWED)
        try:
            raw = await self._api.apply(f"{job.path}/status", job.body, manager=names.FIELD_MANAGER_CONTROLLER)
        except (Conflict, NotFound, Rejected) as error:
            return await self._look_again(job, error)
        except ApiError as error:
            return Report(job, Ending.FAILED, error=error)
        return Report(job, Ending.WRITTEN, raw)

    async def _look_again(self, job: StatusJob, error: ApiError) -> Report:
        # An apply to an object that is gone is no NotFound: the API server tries to create it, and finds it incomplete.
        try:
            raw = await self._api.get(job.path)
        except NotFound:
            return Report(job, Ending.VANISHED)
        except ApiError as second:
            return Report(job, Ending.FAILED, error=second)
        if isinstance(error, Rejected):
            return Report(job, Ending.FAILED, raw, error)
        return Report(job, Ending.CHANGED_MEANWHILE, raw)

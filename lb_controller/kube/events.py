"""Kubernetes Events (core/v1), posted beside the main work: they tell people what happened and decide nothing.

At most `limit` wait at once, and one that could not be posted for `patience` seconds is given up: both are counted as
dropped. So an API server that is away costs neither memory nor a burst of old news when it is back.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, Unauthorized, Unavailable
from lb_controller.kube.resources import EVENTS
from lb_controller.kube.waits import wait_after

_GIVE_WAY_TIMES, _GIVE_WAY_SECONDS = 100, 0.1
_MESSAGE_LIMIT = 1024  # the API server refuses longer ones


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The object that an Event is about; `namespace` is "" for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Event:
    """One Event; `type` is Normal or Warning, `at` RFC 3339."""

    about: About
    type: str
    reason: str
    message: str
    at: str


def event_body(event: Event, *, component: str, suffix: str) -> dict[str, object]:
    """The object to post; `suffix` makes its name unique."""
    about = event.about
    # Events about cluster-scoped objects live in `default`, as kubectl describe expects.
    namespace = about.namespace or "default"
    message = event.message if len(event.message) < _MESSAGE_LIMIT else event.message[: _MESSAGE_LIMIT - 4] + "..."
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about.name[:230]}.{suffix}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": event.type,
        "reason": event.reason,
        "message": message,
        "firstTimestamp": event.at,
        "lastTimestamp": event.at,
        "count": 1,
        "source": {"component": component},
        "reportingComponent": component,
    }


class EventPoster:
    """Posts Events in order, a few at a time. `dropped` is called once for each Event that is given up.

    While `busy` (there is more urgent work for the API server), an Event waits, but not for long.
    """

    def __init__(  # noqa: PLR0913 - where to, as whom, and the limits, by keyword
        self,
        api: Api,
        component: str,
        dropped: Callable[[], None],
        *,
        busy: Callable[[], bool] = lambda: False,
        limit: int = 10_000,
        patience: float = 60.0,
    ) -> None:
        self._api, self._component, self._dropped, self._busy = api, component, dropped, busy
        self._patience = patience
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(limit)
        self._turn = asyncio.Lock()  # while the first gives way, later ones do not overtake it
        self._log = structlog.get_logger().bind(part="events")

    def post(self, event: Event) -> None:
        """Take an Event for posting; returns at once."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._dropped()

    async def run(self) -> None:
        """Post until cancelled; several of these may run at once."""
        while True:
            async with self._turn:
                event = await self._waiting.get()
                await self._give_way()
            try:
                async with asyncio.timeout(self._patience):
                    await self._post(event)
            except (ApiError, TimeoutError) as error:
                self._dropped()
                self._log.info("event_dropped", about=event.about.name, reason=event.reason, why=str(error))
            finally:
                self._waiting.task_done()

    async def _give_way(self) -> None:
        for _ in range(_GIVE_WAY_TIMES):
            if not self._busy():
                return
            await asyncio.sleep(_GIVE_WAY_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Wait until everything taken was posted or given up, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.join()
        except TimeoutError:
            self._log.info("events_left", count=self._waiting.qsize())

    async def _post(self, event: Event) -> None:
        failures = 0
        body = event_body(event, component=self._component, suffix=f"{random.getrandbits(64):016x}")
        path = f"{EVENTS.root}/namespaces/{event.about.namespace or 'default'}/events"
        while True:
            try:
                await self._api.post(path, body)
            except (Unavailable, Unauthorized) as error:
                failures += 1
                await asyncio.sleep(max(wait_after(failures), error.retry_after or 0.0))
            else:
                return

"""Writes what this node has to tell: one write at a time, paced, each object's latest wish only.

Who calls `want` compares with what it observes, so where nothing changed nothing is written. The seconds between two
writes to one object double, up to MOST, while wishes for it keep coming: a disagreement with somebody else who writes
the same object, or an object that changes all the time, never costs more than that. Nothing of this is needed for
announcing: an API server that is away delays words only.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, NotFound, Rejected, Unauthorized, Unavailable
from lb_controller.kube.waits import wait_after
from lb_controller.model import names
from lb_controller.runtime.logging import logger

# Seconds between any two writes: 10,000 Services of a router that came back are told in minutes, not in a flood.
PACE = 0.02
# Seconds between two writes to one object.
LEAST, MOST = 2.0, 32.0
log = logger(part="tell")

Body = Mapping[str, Any]


@dataclass(slots=True)
class Wish:
    """What shall be written to the object at `path`, and when it may be; `body` None: nothing."""

    path: str
    body: Body | None = None
    gap: float = LEAST
    last: float | None = None

    @property
    def due(self) -> float:
        """When it may be written."""
        return 0.0 if self.last is None else self.last + self.gap

    def take(self, now: float) -> Body:
        """It is written now; the next one waits longer if this one came soon after the last."""
        soon = self.last is not None and now - self.last < 2 * self.gap
        self.gap = min(MOST, self.gap * 2) if soon else LEAST
        self.last = now
        body, self.body = self.body, None
        assert body is not None
        return body


class Teller:
    """Applies bodies to objects by server-side apply, under the speaker's field manager."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._wishes: dict[str, Wish] = {}
        self._wake = asyncio.Event()
        self.written = 0

    def want(self, path: str, body: Body) -> None:
        """The object at `path` (of the status subresource, where there is one) shall be so."""
        wish = self._wishes.setdefault(path, Wish(path))
        if wish.body != body:
            wish.body = body
            self._wake.set()

    def satisfied(self, path: str) -> None:
        """The object is as it should be, or another node's to write."""
        wish = self._wishes.get(path)
        if wish is not None:
            wish.body = None

    async def run(self) -> None:
        """Write for ever."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            open_ = [wish for wish in self._wishes.values() if wish.body is not None]
            for wish in open_:
                if wish.body is None or wish.due > loop.time():
                    continue
                if await self._write(wish, loop.time()):
                    failures = 0
                    await asyncio.sleep(PACE)
                else:
                    failures += 1
                    await asyncio.sleep(wait_after(failures))
            await self._sleep(loop.time())

    async def _sleep(self, now: float) -> None:
        """Until there is something to write."""
        for path in [wish.path for wish in self._wishes.values() if wish.body is None and wish.due + MOST < now]:
            del self._wishes[path]
        waiting = [wish.due for wish in self._wishes.values() if wish.body is not None]
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, min(waiting) - now) if waiting else None)
        except TimeoutError:
            return

    async def _write(self, wish: Wish, now: float) -> bool:
        """Whether the API server answers; what it refuses is not tried again before it is wished again."""
        body = wish.take(now)
        try:
            await self._api.apply(wish.path, body, manager=names.FIELD_MANAGER_SPEAKER)
        except (NotFound, Rejected) as error:
            log.info("status_refused", path=wish.path, why=str(error))  # gone in the meantime, or no such CRD
        except (Unavailable, Unauthorized) as error:
            log.warning("status_not_written", path=wish.path, why=str(error))
            wish.body = wish.body or body
            return False
        except ApiError as error:
            log.warning("status_not_written", path=wish.path, why=str(error))
        else:
            self.written += 1
        return True

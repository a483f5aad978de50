"""Asks kube-proxy every second whether this node can carry traffic on; the verdict is `decide.forwarding`'s."""

import asyncio
from collections.abc import Callable

import aiohttp

from lb_controller.runtime.logging import logger
from speaker.decide.forwarding import Answer, Forwarding

CANNOT_FORWARD = "cannot_forward"  # a reason of LinkSnapshot.unwilling
ASK_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
log = logger()


class ForwardingWatch:
    """Follows one health endpoint; `on_change` is called when the verdict changed. An empty `url`: there is none.

    `undecided`: nothing should be decided about announcements yet; `obstacle`: why this node should draw no traffic.
    """

    def __init__(self, url: str, wait: float, on_change: Callable[[], None]) -> None:
        self._url, self._on_change = url, on_change
        self._now = asyncio.get_running_loop().time
        self._forwarding = Forwarding(wait, self._now())
        self.undecided = bool(url)
        self.obstacle: str | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        if not self._url:
            return
        limits = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=limits, trust_env=False) as session:
            while True:
                self._forwarding.note(await self._ask(session), self._now())
                self._compare()
                await asyncio.sleep(ASK_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession) -> Answer:
        try:
            async with session.get(self._url) as response:
                return Answer.HEALTHY if response.status == 200 else Answer.UNHEALTHY
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer.SILENT

    def _compare(self) -> None:
        now, before = self._now(), (self.undecided, self.obstacle)
        self.undecided, self.obstacle = self._forwarding.undecided(now), self._forwarding.obstacle(now)
        if before == (self.undecided, self.obstacle):
            return
        if self.obstacle is not None:
            log.warning("node_cannot_forward", why=self.obstacle)
        elif not self.undecided:
            log.info("node_can_forward")
        self._on_change()

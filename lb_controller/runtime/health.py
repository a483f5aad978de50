"""GET /healthz, /readyz and /metrics.

Healthy: the event loop advances (the beat of LoopLag is fresh, which the answer itself nearly proves). Ready: every
registered check says so; the answer names the checks that do not, one a line.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry

from lb_controller.runtime.metrics import CONTENT_TYPE, exposition
from lb_controller.runtime.tasks import LoopLag

Check = Callable[[], str | None]
STALE_SECONDS = 20.0


class Health:
    """The checks of one process; a check returns None when all is well, otherwise why not."""

    def __init__(self, metrics: CollectorRegistry, lag: LoopLag) -> None:
        self.metrics, self.lag = metrics, lag
        self.checks: dict[str, Check] = {}

    async def healthz(self, _: web.Request) -> web.Response:
        age = asyncio.get_running_loop().time() - self.lag.beat_at
        if self.lag.beats and age > STALE_SECONDS:
            return web.Response(status=503, text=f"the event loop stood still for {age:.1f} s\n")
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        reasons = [f"{name}: {reason}" for name, check in self.checks.items() if (reason := check()) is not None]
        if reasons:
            return web.Response(status=503, text="\n".join(reasons) + "\n")
        return web.Response(text="ok\n")

    async def metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=exposition(self.metrics), headers={"Content-Type": CONTENT_TYPE})


@asynccontextmanager
async def serving(health: Health, host: str, port: int) -> AsyncIterator[None]:
    """Serve for the length of the block; port 0 serves nothing. Raises OSError when the port is taken."""
    if port == 0:
        yield
        return
    app = web.Application()
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics_page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()

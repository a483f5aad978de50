"""Asks kube-proxy for single Services, on their healthCheckNodePort; what follows is `decide.local_health`'s."""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp

from lb_controller.model.cluster import Node, Service, ServiceKey
from lb_controller.runtime.logging import logger
from speaker.decide.forwarding import Answer
from speaker.decide.local_health import Endpoints, LocalHealth

ASK_SECONDS = 0.1
OVERDUE_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
log = logger()


class LocalHealthWatch:
    """Asks while there is something to ask; `on_open` is called with each Service that may be announced from here now.

    `nodes` tells the addresses of this node `me`, at which kube-proxy listens.
    """

    def __init__(self, me: str, nodes: Callable[[], Mapping[str, Node]], on_open: Callable[[ServiceKey], None]) -> None:
        self._health = LocalHealth(me)
        self._me, self._nodes, self._on_open = me, nodes, on_open
        self._wake = asyncio.Event()

    @property
    def wait(self) -> float:
        """Seconds that kube-proxy may take to answer at all; 0 asks nothing."""
        return self._health.wait

    @wait.setter
    def wait(self, seconds: float) -> None:
        self._health.wait = seconds

    def begin(self) -> None:
        """The first picture was taken: what has an endpoint here now is open."""
        self._health.begun = True

    def marked(self, key: ServiceKey, service: Service | None, endpoints: Endpoints) -> Endpoints:
        """LocalHealth.marked, at once; None: the Service is gone, or not ours."""
        if service is None:
            self._health.forget(key)
            return endpoints
        found = self._health.marked(service, endpoints, time.monotonic())
        if self._health.asked:
            self._wake.set()
        return found

    async def run(self) -> None:
        """Ask until cancelled."""
        limits = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=limits, trust_env=False) as session:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._health.asked:
                    await asyncio.gather(*(self._ask(session, key) for key in list(self._health.asked)))
                    overdue = all(asked.overdue for asked in self._health.asked.values())
                    await asyncio.sleep(OVERDUE_SECONDS if overdue else ASK_SECONDS)

    def _host(self) -> str:
        node = self._nodes().get(self._me)
        address = str(node.addresses[0]) if node is not None and node.addresses else "127.0.0.1"
        return f"[{address}]" if ":" in address else address

    async def _ask(self, session: aiohttp.ClientSession, key: ServiceKey) -> None:
        asked = self._health.asked.get(key)
        if asked is None:
            return
        service, late = asked.service, asked.overdue
        try:
            async with session.get(f"http://{self._host()}:{service.health_check_node_port}/healthz") as response:
                answer = Answer.HEALTHY if response.status == 200 else Answer.UNHEALTHY
        except (aiohttp.ClientError, TimeoutError, OSError):
            answer = Answer.SILENT
        if self._health.note(key, answer, time.monotonic()):
            log.info("kube_proxy_serves", service=str(key), uid=service.uid, answered=answer is Answer.HEALTHY)
            self._on_open(key)
        elif asked.overdue and not late:
            log.warning(
                "kube_proxy_does_not_serve", service=str(key), uid=service.uid, port=service.health_check_node_port
            )

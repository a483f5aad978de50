"""Whether MetalLB runs in this cluster, and which Services it serves: two load balancers must not fight over one.

Two narrow watches on pods by MetalLB's labels (of its chart, and of its manifests) cost next to nothing. A rival counts
from the moment its pod runs. It is gone only after nobody was seen for `grace` seconds, so that a rolling update of
MetalLB, which may leave a gap between two pods, makes nobody take over in between.
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from lb_controller.kube.client import Api
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.resources import PODS
from lb_controller.kube.store import Key
from lb_controller.model import names, wire
from lb_controller.model.cluster import Contest, Rival
from lb_controller.model.parse import core

_decode = msgspec.json.Decoder(wire.Pod).decode


class RivalWatch:
    """Follows the pods of MetalLB's `components`; `on_change` is called when `contest` changed."""

    def __init__(
        self, api: Api, components: tuple[str, ...], on_change: Callable[[], None], *, grace: float = 10.0
    ) -> None:
        self._on_change, self._grace = on_change, grace
        self._pods: dict[Key, Rival] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger().bind(part="rivals")
        self.contest = Contest()
        words = ",".join(components)
        self._reflectors = [
            Reflector(api, PODS, lambda raw: core.rival(_decode(raw)), self._take, label_selector=selector % words)
            for selector in names.METALLB_POD_SELECTORS
        ]

    async def run(self) -> None:
        """Follow until cancelled."""
        await asyncio.gather(*(reflector.run() for reflector in self._reflectors))

    async def synced(self) -> None:
        """Wait until it is known who runs."""
        for reflector in self._reflectors:
            await reflector.synced.wait()

    def missing(self) -> str | None:
        """Why it is not known yet who runs."""
        waiting = [reflector for reflector in self._reflectors if not reflector.synced.is_set()]
        return f"pods of MetalLB not listed yet ({waiting[0].failing or 'in progress'})" if waiting else None

    def _take(self, key: Key, rival: Rival | None) -> None:
        if rival is None or not rival.running:
            self._pods.pop(key, None)
        else:
            self._pods[key] = rival
        fresh = Contest(frozenset(self._pods.values()))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if fresh.classes >= self.contest.classes:
            self._settle(fresh)
        else:
            self._timer = asyncio.get_running_loop().call_later(self._grace, self._settle, fresh)

    def _settle(self, fresh: Contest) -> None:
        if fresh == self.contest:
            return
        before, self.contest = self.contest, fresh
        if fresh.classes != before.classes:
            classes = sorted(class_ or "none" for class_ in fresh.classes)
            if fresh.classes:
                self._log.warning("shadow", rivals=fresh.names, classes=classes)
            else:
                self._log.warning("shadow_ended", rivals=before.names)
        self._on_change()

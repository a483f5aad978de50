"""The controller's process: opens what it needs, starts its tasks, and leaves in order.

Leaving on SIGTERM: take no more news, let the running writes end, give the Lease away, stop. Whatever a kill -9 leaves
behind is found in the Services' own status by the next process.
"""

import asyncio
import contextlib
import gc
import sys

from lb_controller.allocation.changes import AllocationSettings
from lb_controller.app.certificate_keeper import CertificateKeeper
from lb_controller.app.controller import Contested, Controller, Leading, Outlets, Seen
from lb_controller.app.inputs import SERVICE, Value, sources
from lb_controller.app.leavers import Leavers
from lb_controller.app.lister import Lister
from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.observed import Key, Sighting
from lb_controller.app.operator import Admission, Operator
from lb_controller.app.reconcile import Reconciler
from lb_controller.app.rules import Rules
from lb_controller.app.settings import ControllerSettings
from lb_controller.app.webhook import Judge, WebhookServer
from lb_controller.app.writers import Writer
from lb_controller.kube.client import Api, connect
from lb_controller.kube.errors import ApiError
from lb_controller.kube.events import EventPoster
from lb_controller.kube.lease import Candidacy, Leadership, Timing
from lb_controller.kube.rivals import RivalWatch
from lb_controller.model import names
from lb_controller.model.names import FIELD_MANAGER_CONTROLLER
from lb_controller.runtime.garbage import LongLived
from lb_controller.runtime.health import Health, serving
from lb_controller.runtime.logging import follow_level, logger
from lb_controller.runtime.metrics import registry
from lb_controller.runtime.settings import Coexistence
from lb_controller.runtime.tasks import LoopLag, Tasks

LEASE_NAME = "heraldlb-controller"
_DRAIN_SECONDS = 5.0
_EVENT_POSTERS = 4
# The kopf thread computes for milliseconds at a time; Python's default lets it keep the interpreter for 5 ms each turn,
# while an address waits to be written.
_SWITCH_SECONDS = 0.0005
# The objects of 10,000 Services live long: looking at all of them again and again costs a fifth of planning.
_GARBAGE_THRESHOLDS = (50_000, 10, 10)


async def main(settings: ControllerSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises LoginError, OSError (metrics port) or TaskCrashed."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    lag = LoopLag()
    metrics = ControllerMetrics(registry())
    metrics.loop_lag.set_function(lag.take_worst)
    rules = Rules(
        settings.load_balancer_class, settings.serve_unclassed, AllocationSettings(settings.stranded_addresses)
    )
    controller = Controller(Reconciler(rules, sources(settings.metallb_namespace)), metrics)
    health = Health(metrics.registry, lag)
    log = logger(part="process")
    async with (
        connect(settings.kubeconfig, connections=settings.writers + 32) as api,
        serving(health, settings.metrics_host, settings.metrics_port),
        Tasks() as tasks,
    ):
        parts = _Parts(settings, api, controller, metrics)
        health.checks["inputs"] = parts.why_not_listed
        tasks.start("loop_lag", lag.run())
        tasks.start("garbage", LongLived(lambda: len(controller.reconciler.observed[SERVICE].objects)).run())
        tasks.start("log_level", follow_level(settings.log_level_file, settings.log_level))
        parts.start(tasks)
        log.info("started", replica=settings.replica, namespace=settings.namespace)
        await tasks.stopped()
        log.info("stopping")
        await parts.leave()
    log.info("stopped")


class _Parts:
    """What runs, and how it is joined."""

    def __init__(
        self, settings: ControllerSettings, api: Api, controller: Controller, metrics: ControllerMetrics
    ) -> None:
        self._settings, self._controller = settings, controller
        inputs = sources(settings.metallb_namespace)
        self._leadership = self._candidate(api) if settings.leader_election else None
        self._open = True
        self._writer = Writer(api, self._may_write, controller.put)
        self._leavers = Leavers(api, self._may_write)
        self._events = EventPoster(api, FIELD_MANAGER_CONTROLLER, metrics.events_dropped.inc, busy=self._writer.busy)
        self._lister = Lister(api, inputs, settings.relist_seconds, controller.put, self._look_for_resources)
        self._certificates: CertificateKeeper | None = None
        admission: Admission | None = None
        if settings.webhook_port:
            self._certificates = CertificateKeeper(api, settings.namespace, settings.relist_seconds)
            server = WebhookServer(self._certificates.file, settings.webhook_host, settings.webhook_port)
            admission = server, Judge(controller.reconciler, metrics).ask
        self._operator = Operator(
            settings.kubeconfig,
            inputs,
            self._seen,
            self._kopf_restarted,
            known=self._known,
            listed=self._lister.listed,
            admission=admission,
        )
        self._restarts = metrics.kopf_restarts
        self._rivals = (
            RivalWatch(api, ("controller",), self._contested) if settings.coexistence is Coexistence.AUTO else None
        )
        controller.connect(Outlets(self._writer, self._leavers, self._events, self._lister))

    def why_not_listed(self) -> str | None:
        if self._rivals is not None and (why := self._rivals.missing()):
            return why
        missing = self._controller.reconciler.missing()
        return f"not listed yet: {', '.join(missing)} ({self._lister.failing or 'in progress'})" if missing else None

    def start(self, tasks: Tasks) -> None:
        tasks.start("kopf", self._operator.run())
        tasks.start("controller", self._controller.run())
        tasks.start("tick", self._controller.tick())
        if self._rivals is not None:
            tasks.start("rivals", self._rivals.run())
        tasks.start("lister", self._list())
        for number in range(self._settings.writers):
            tasks.start(f"writer-{number}", self._writer.run())
        for number in range(_EVENT_POSTERS):
            tasks.start(f"events-{number}", self._events.run())
        tasks.start("leavers", self._leavers.run())
        if self._certificates is not None:
            tasks.start("certificates", self._certificates.run())
        if self._leadership is not None:
            tasks.start("lease", self._leadership.run())
        else:
            self._controller.put(Leading(True))

    async def leave(self) -> None:
        """Finish the running writes, give the Lease away."""
        self._open = False
        drained = await self._writer.drain(_DRAIN_SECONDS)
        if self._leadership is not None and drained:
            with contextlib.suppress(ApiError, TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await self._leadership.release()
        await self._events.drain(1.0)
        await self._operator.stop(3.0)
        if self._certificates is not None:
            self._certificates.file.close()

    async def _list(self) -> None:
        """Nothing is decided before it is known who else decides."""
        if self._rivals is not None:
            await self._rivals.synced()
        await self._lister.run()

    def _contested(self) -> None:
        assert self._rivals is not None
        self._controller.put(Contested(self._rivals.contest))

    def _notes(self) -> dict[str, str]:
        """What the Lease tells people."""
        rivals = self._rivals.contest.names if self._rivals is not None else []
        return {names.ANNOTATION_SHADOW_OF: ",".join(rivals)} if rivals else {}

    def _candidate(self, api: Api) -> Leadership:
        settings = self._settings
        timing = Timing(
            duration=settings.lease_seconds, renew=settings.lease_seconds / 6, margin=settings.lease_seconds / 4
        )
        candidacy = Candidacy(settings.namespace, LEASE_NAME, settings.replica, timing)
        return Leadership(api, candidacy, lambda leading: self._controller.put(Leading(leading)), self._notes)

    def _may_write(self) -> bool:
        return self._open and (self._leadership is None or self._leadership.may_act())

    def _seen(self, source: str, sighting: Sighting[Value], gone: bool) -> None:
        self._controller.put(Seen(source, sighting, gone))

    def _known(self, source: str, key: Key) -> int:
        """The version of an object that was observed; other threads may ask."""
        sighting = self._controller.reconciler.observed[source].objects.get(key)
        return 0 if sighting is None else sighting.version

    def _kopf_restarted(self) -> None:
        self._restarts.inc()
        self._lister.poke()

    def _look_for_resources(self) -> None:
        self._operator.restart()

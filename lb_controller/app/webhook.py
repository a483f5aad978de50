"""The admission webhook: kopf's server in kopf's thread asks, the main loop, which knows the cluster, judges.

Nothing here may hold up a change for another cause than the rules: what was not read yet, what takes too long and what
fails inside is let in with a warning. Every replica judges, the passive one too: it observes the same.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

import kopf

from lb_controller.admission.review import Known, Operation, Request, Verdict, review, unjudged
from lb_controller.app.certificate_file import CertificateFile
from lb_controller.app.inputs import SERVICE
from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.reconcile import Reconciler
from lb_controller.kube.resources import custom
from lb_controller.model import names
from lb_controller.model.cluster import Service
from lb_controller.model.config import Origin
from lb_controller.model.parse.objects import RawObject
from lb_controller.runtime.logging import logger

HANDLER = "validate"  # kopf finds the handler by the path of the URL: the chart names it too
_PATIENCE_SECONDS = 3.0
_RETRY_SECONDS = 5.0
_UNPROCESSABLE = 422

Ask = Callable[[Request], Awaitable[Verdict]]


class Judge:
    """Judges on the main loop by what was observed; `ask` is called on any other loop."""

    def __init__(self, reconciler: Reconciler, metrics: ControllerMetrics) -> None:
        self._reconciler, self._metrics = reconciler, metrics
        self._main = asyncio.get_running_loop()
        self._log = logger(part="webhook")

    async def ask(self, request: Request) -> Verdict:
        """The judgement, within a few seconds, whatever happens."""
        answer: Future[Verdict] = Future()
        try:
            self._main.call_soon_threadsafe(self._answer, request, answer)
            return await asyncio.wait_for(asyncio.wrap_future(answer), _PATIENCE_SECONDS)
        except (TimeoutError, RuntimeError):  # RuntimeError: the main loop is closed
            return unjudged("the controller is busy or leaving")

    def _answer(self, request: Request, answer: Future[Verdict]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            verdict = self._judge(request)
        except Exception as error:
            self._log.exception("review_failed")
            verdict = unjudged(f"of an error of its own ({type(error).__name__})")
            self._metrics.reviews.labels("unjudged").inc()
        answer.set_result(verdict)

    def _judge(self, request: Request) -> Verdict:
        missing = self._reconciler.missing()
        if missing:
            self._metrics.reviews.labels("unjudged").inc()
            return unjudged("the controller has not read the cluster yet")
        observed, configuration = self._reconciler.observed, self._reconciler.configuration
        services = (value for value in observed[SERVICE].values() if isinstance(value, Service))
        held = (address for service in services for address in service.ingress)
        known = Known(tuple(configuration.objects()), held, configuration.facts)
        verdict = review(request, known)
        self._metrics.reviews.labels("allowed" if verdict.allowed else "denied").inc()
        if verdict.denial:
            about = request.new or request.old
            assert about is not None
            self._log.info("change_denied", kind=about.kind, name=about.name, why=verdict.denial)
        return verdict


class WebhookServer(kopf.WebhookServer):
    """kopf's server, but one that waits for its certificate and never takes the watches down with it."""

    def __init__(self, file: CertificateFile, host: str, port: int) -> None:
        super().__init__(addr=host, port=port, file_check_interval=_RETRY_SECONDS)
        self._file = file
        self._log = logger(part="webhook")

    async def __call__(self, fn: Any) -> AsyncIterator[Any]:
        """Serve until cancelled."""
        while True:
            if self._file.path is None:
                await asyncio.sleep(0.2)
                continue
            self.certfile = self.pkeyfile = os.fspath(self._file.path)
            try:
                async for config in super().__call__(fn):
                    self._log.info("webhook_serving", port=self.port)
                    yield config
            except OSError as error:  # also ssl.SSLError
                self._log.warning("webhook_not_served", why=str(error))
                await asyncio.sleep(_RETRY_SECONDS)


def register(registry: kopf.OperatorRegistry, ask: Ask) -> None:
    """Let kopf ask about every change of our own kinds."""
    for kind in names.PLURALS:
        _register(registry, kind, ask)


def _register(registry: kopf.OperatorRegistry, kind: str, ask: Ask) -> None:
    async def validate(*, warnings: list[str], **asked: Any) -> None:
        old, new = _raw(kind, asked["old"]), _raw(kind, asked["new"])
        verdict = await ask(Request(Operation(asked["operation"]), old, new))
        warnings.extend(verdict.warnings)
        if verdict.denial:
            raise kopf.AdmissionError(verdict.denial, code=_UNPROCESSABLE)

    resource = custom(kind)
    kopf.on.validate(
        resource.group,
        resource.version,
        resource.plural,
        id=HANDLER,
        operations=[operation.value for operation in Operation],
        registry=registry,
    )(validate)


def _raw(kind: str, body: Mapping[str, Any] | None) -> RawObject | None:
    return None if body is None else RawObject(kind, Origin.HERALDLB, dict(body))

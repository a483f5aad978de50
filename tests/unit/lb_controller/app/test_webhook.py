"""The judge: it answers from any loop, and what it cannot judge is let in."""

import asyncio
from collections.abc import Callable

from lb_controller.admission.review import Operation, Request, Verdict
from lb_controller.app.inputs import SOURCES, from_mapping
from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.reconcile import Reconciler
from lb_controller.app.rules import Rules
from lb_controller.app.webhook import Judge
from lb_controller.model.config import Origin
from lb_controller.model.parse.objects import RawObject
from lb_controller.runtime.metrics import registry

POOL = "IPAddressPool"


def raw(name: str, address: str) -> RawObject:
    return RawObject(POOL, Origin.HERALDLB, {"metadata": {"name": name}, "spec": {"addresses": [address]}})


def service(address: str) -> dict[str, object]:
    status = {"loadBalancer": {"ingress": [{"ip": address}]}}
    return {"metadata": {"name": "web", "namespace": "ns", "resourceVersion": "2"}, "status": status}


def listed() -> Reconciler:
    reconciler = Reconciler(Rules("c"))
    bodies = {POOL: [{"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"addresses": ["192.0.2.0/28"]}}]}
    bodies["Service"] = [service("192.0.2.1")]
    for source in SOURCES:
        reconciler.take_list(source, [from_mapping(source, body) for body in bodies.get(source, [])], 5)
    return reconciler


def asked(reconciler: Reconciler, request: Request) -> tuple[Verdict, Callable[[str], float]]:
    metrics = ControllerMetrics(registry())

    async def main() -> Verdict:
        judge = Judge(reconciler, metrics)
        return await asyncio.to_thread(lambda: asyncio.run(judge.ask(request)))

    verdict = asyncio.run(main())

    def counted(result: str) -> float:
        return metrics.registry.get_sample_value("heraldlb_admission_reviews_total", {"result": result}) or 0.0

    return verdict, counted


def test_a_resting_replica_judges_too() -> None:
    verdict, counted = asked(listed(), Request(Operation.CREATE, None, raw("b", "192.0.2.0/24")))
    assert "overlaps" in verdict.denial
    assert counted("denied") == 1


def test_deleting_a_pool_counts_the_addresses_that_services_hold() -> None:
    verdict, counted = asked(listed(), Request(Operation.DELETE, raw("a", "192.0.2.0/28"), None))
    assert "192.0.2.1" in verdict.warnings[0]
    assert counted("allowed") == 1


def test_before_the_first_lists_everything_is_let_in_with_a_warning() -> None:
    verdict, counted = asked(Reconciler(Rules("c")), Request(Operation.CREATE, None, raw("b", "nonsense")))
    assert verdict.allowed
    assert "not read the cluster" in verdict.warnings[0]
    assert counted("unjudged") == 1


def test_an_error_inside_lets_the_change_in() -> None:
    verdict, counted = asked(listed(), Request(Operation.CREATE, None, None))
    assert verdict.allowed
    assert "AssertionError" in verdict.warnings[0]
    assert counted("unjudged") == 1


def test_a_main_loop_that_is_gone_lets_the_change_in() -> None:
    async def made() -> Judge:
        return Judge(listed(), ControllerMetrics(registry()))

    judge = asyncio.run(made())
    verdict = asyncio.run(judge.ask(Request(Operation.CREATE, None, raw("b", "192.0.2.0/24"))))
    assert verdict.allowed
    assert "busy or leaving" in verdict.warnings[0]

"""What the controller shows about pools and objects, and the line that follows a Service."""

import structlog

from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.tell import tell
from lb_controller.kube.events import About, Event
from lb_controller.runtime.logging import logger
from lb_controller.runtime.metrics import exposition, registry
from tests.unit.lb_controller.app.test_reconcile import begun, pool, service


def shown(metrics: ControllerMetrics, name: str) -> set[str]:
    text = exposition(metrics.registry).decode()
    return {line.removeprefix("heraldlb_") for line in text.splitlines() if line.startswith(f"heraldlb_{name}")}


def test_a_pool_shows_its_size_and_what_is_assigned_of_each_family_that_it_has() -> None:
    metrics = ControllerMetrics(registry())
    assert shown(metrics, "pool_") == set(), "a resting replica knows nothing"
    reconciler = begun(services=[service("a", 1), service("b", 2)], pools=[pool("p", 3, "192.0.2.0/29")])
    reconciler.work()
    metrics.show(reconciler.ledger)
    assert shown(metrics, "pool_") == {
        'pool_addresses{family="IPv4",pool="p"} 8.0',
        'pool_assigned_addresses{family="IPv4",pool="p"} 2.0',
    }
    metrics.show(None)
    assert shown(metrics, "pool_") == set()


def test_objects_with_an_error_are_counted_by_kind_and_those_of_other_kinds_are_zero() -> None:
    metrics = ControllerMetrics(registry())
    bad = [pool("bad", 3, "192.0.2.9-192.0.2.1"), pool("worse", 4, "nonsense"), pool("good", 5, "192.0.2.0/29")]
    reconciler = begun(services=[], pools=bad)
    metrics.show_invalid(reconciler.invalid())
    assert 'invalid_objects{kind="IPAddressPool"} 2.0' in shown(metrics, "invalid")
    assert 'invalid_objects{kind="BGPPeer"} 0.0' in shown(metrics, "invalid")
    reconciler.rest()
    assert not reconciler.invalid()


def test_the_line_about_a_written_condition_carries_the_uid_and_is_a_warning_where_the_event_is_one() -> None:
    about = About(api_version="v1", kind="Service", namespace="ns", name="web", uid="u-1")
    with structlog.testing.capture_logs() as lines:
        tell(logger(), Event(about, "Normal", "Assigned", "assigned 192.0.2.1", "now"))
        tell(logger(), Event(about, "Warning", "NoPool", "there is no pool", "now"))
    facts = {"event": "condition_written", "kind": "Service", "object": "ns/web", "uid": "u-1"}
    assert lines == [
        {**facts, "log_level": "info", "reason": "Assigned", "why": "assigned 192.0.2.1"},
        {**facts, "log_level": "warning", "reason": "NoPool", "why": "there is no pool"},
    ]

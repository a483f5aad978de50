"""When a Service with policy Local may be announced from this node: what kube-proxy says, and how long it is asked."""

from dataclasses import replace

import pytest

from lb_controller.model.cluster import Endpoint, Service, ServiceKey, TrafficPolicy
from speaker.decide.forwarding import Answer
from speaker.decide.local_health import LocalHealth

KEY = ServiceKey("default", "web")
WEB = Service(key=KEY, uid="u", traffic_policy=TrafficPolicy.LOCAL, health_check_node_port=30999)
HERE, THERE = Endpoint("n1"), Endpoint("n2")
LEAVING = Endpoint("n1", ready=False, serving=True, terminating=True)
GONE = Endpoint("n1", ready=False, serving=False, terminating=True)


def begun(wait: float = 5.0) -> LocalHealth:
    health = LocalHealth("n1", wait)
    health.begun = True
    return health


def served(health: LocalHealth, *endpoints: Endpoint, service: Service = WEB, now: float = 0.0) -> bool:
    """Whether kube-proxy serves all of them, as far as is known; those of other nodes are never marked."""
    marked = health.marked(service, endpoints, now)
    assert [replace(found, programmed=True) for found in marked] == list(endpoints)
    assert all(found.programmed for found in marked if found.node != "n1")
    return all(found.programmed for found in marked)


def test_a_first_endpoint_waits_until_kube_proxy_serves_it() -> None:
    health = begun()
    assert served(health, THERE)
    assert not served(health, THERE, HERE)
    assert not health.note(KEY, Answer.SILENT, 1.0)
    assert not health.note(KEY, Answer.UNHEALTHY, 2.0)
    assert not served(health, HERE, HERE), "one endpoint more does not answer the question"
    assert health.note(KEY, Answer.HEALTHY, 3.0)
    assert served(health, HERE)
    assert served(health, HERE, Endpoint("n1", ready=False, serving=False)), "it was served a moment ago"


def test_after_the_last_endpoint_the_next_one_is_a_first_one_again() -> None:
    health = begun()
    served(health, HERE)
    health.note(KEY, Answer.HEALTHY, 0.1)
    assert served(health, HERE)
    assert served(health, GONE)
    assert not served(health, GONE, HERE)


def test_one_that_follows_a_terminating_one_waits_for_nothing() -> None:
    health = begun()
    served(health, HERE)
    health.note(KEY, Answer.HEALTHY, 0.1)
    assert served(health, LEAVING)
    assert served(health, LEAVING, HERE)


def test_only_terminating_endpoints_are_not_asked_about_for_kube_proxy_counts_none_of_them() -> None:
    assert served(begun(), LEAVING)


@pytest.mark.parametrize(
    "service",
    [replace(WEB, traffic_policy=TrafficPolicy.CLUSTER), replace(WEB, health_check_node_port=0)],
    ids=["policy Cluster", "no port"],
)
def test_other_services_wait_for_nothing(service: Service) -> None:
    assert served(begun(), HERE, service=service)


def test_without_a_wait_nothing_is_asked() -> None:
    assert served(begun(wait=0.0), HERE)


def test_what_was_there_at_the_start_is_open() -> None:
    health = LocalHealth("n1", 5.0)
    assert served(health, HERE)
    health.begun = True
    assert served(health, HERE, THERE)
    assert not health.asked


def test_where_nobody_answers_the_service_is_opened_after_the_wait_and_the_next_one_at_once() -> None:
    health = begun()
    served(health, HERE, now=10.0)
    assert not health.note(KEY, Answer.SILENT, 14.9)
    assert health.note(KEY, Answer.SILENT, 15.0)
    assert served(health, HERE)
    other = replace(WEB, key=ServiceKey("default", "api"))
    assert not served(health, HERE, service=other, now=20.0)
    assert health.note(other.key, Answer.SILENT, 20.0)


def test_a_no_holds_for_as_long_as_it_is_said_and_an_answer_brings_the_patience_back() -> None:
    health = begun()
    served(health, HERE)
    health.note(KEY, Answer.SILENT, 9.0)
    health.forget(KEY)
    served(health, HERE, now=10.0)
    for second in range(10, 30):
        assert not health.note(KEY, Answer.UNHEALTHY, second)
    assert health.asked[KEY].overdue
    health.forget(KEY)
    served(health, HERE, now=30.0)
    assert not health.note(KEY, Answer.SILENT, 30.0), "somebody answers on this node"


def test_an_answer_about_a_service_that_is_gone_opens_nothing() -> None:
    health = begun()
    served(health, HERE)
    health.forget(KEY)
    assert not health.note(KEY, Answer.HEALTHY, 1.0)


def test_the_port_may_change_while_it_is_asked() -> None:
    health = begun()
    served(health, HERE)
    served(health, HERE, service=replace(WEB, health_check_node_port=31000))
    assert health.asked[KEY].service.health_check_node_port == 31000

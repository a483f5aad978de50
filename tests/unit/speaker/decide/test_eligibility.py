"""Which nodes may announce at all, and where a Service can be served."""

from dataclasses import replace
from typing import Any

import pytest

from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.reasons import OmissionReason
from lb_controller.model.selectors import LabelSelector, Operator, Requirement
from speaker.decide.eligibility import OBSTACLES, node_obstacle, selected, serving_nodes, without_endpoints

EXCLUDED = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
ON_A, ON_B = Endpoint("a"), Endpoint("b")
GONE = Endpoint("a", ready=False, serving=False, terminating=True)
LEAVING = Endpoint("a", ready=False, serving=True, terminating=True)
NOWHERE = Endpoint(None)


@pytest.mark.parametrize(
    ("facts", "obstacle"),
    [
        ({}, None),
        ({"unschedulable": True}, None),
        ({"ready": False}, OmissionReason.NODE_NOT_READY),
        ({"deleting": True}, OmissionReason.NODE_NOT_READY),
        ({"network_unavailable": True}, OmissionReason.NODE_NETWORK_UNAVAILABLE),
        ({"labels": EXCLUDED}, OmissionReason.NODE_EXCLUDED),
        ({"labels": {next(iter(EXCLUDED)): "false"}}, OmissionReason.NODE_EXCLUDED),
        ({"labels": {"other": "label"}}, None),
        ({"labels": EXCLUDED, "ready": False}, OmissionReason.NODE_NOT_READY),
    ],
)
def test_a_node_has_an_obstacle_or_none(facts: dict[str, Any], obstacle: OmissionReason | None) -> None:
    assert node_obstacle(Node(name="a", **facts)) == obstacle


def test_the_exclusion_label_can_be_ignored_and_nothing_else() -> None:
    assert node_obstacle(Node(name="a", labels=EXCLUDED), ignore_exclusion=True) is None
    assert node_obstacle(Node(name="a", labels=EXCLUDED, ready=False), ignore_exclusion=True) is not None


def test_every_obstacle_has_its_words() -> None:
    nodes = [Node(name="a", ready=False), Node(name="a", network_unavailable=True), Node(name="a", labels=EXCLUDED)]
    assert {node_obstacle(node) for node in nodes} == OBSTACLES.keys()


def test_no_selectors_select_all_and_several_are_alternatives() -> None:
    rack = {letter: LabelSelector((Requirement("rack", Operator.IN, frozenset({letter})),)) for letter in "ab"}
    assert selected((), {})
    assert selected((rack["a"], rack["b"]), {"rack": "b"})
    assert not selected((rack["a"],), {"rack": "b"})
    assert selected((LabelSelector(),), {})


@pytest.mark.parametrize(
    ("policy", "endpoints", "nodes"),
    [
        (TrafficPolicy.LOCAL, (replace(ON_A, programmed=False), ON_B), frozenset({"b"})),
        (TrafficPolicy.CLUSTER, (replace(ON_A, programmed=False),), None),
        (TrafficPolicy.CLUSTER, (), frozenset()),
        (TrafficPolicy.CLUSTER, (GONE,), frozenset()),
        (TrafficPolicy.CLUSTER, (ON_A,), None),
        (TrafficPolicy.CLUSTER, (LEAVING,), None),
        (TrafficPolicy.CLUSTER, (NOWHERE,), None),
        (TrafficPolicy.LOCAL, (), frozenset()),
        (TrafficPolicy.LOCAL, (GONE, ON_B), frozenset({"b"})),
        (TrafficPolicy.LOCAL, (LEAVING, ON_B), frozenset({"a", "b"})),
        (TrafficPolicy.LOCAL, (NOWHERE,), frozenset()),
    ],
)
def test_a_service_is_served_from_anywhere_from_some_nodes_or_from_none(
    policy: TrafficPolicy, endpoints: tuple[Endpoint, ...], nodes: frozenset[str] | None
) -> None:
    service = Service(key=ServiceKey("default", "web"), uid="1", traffic_policy=policy)
    assert serving_nodes(service, endpoints) == nodes


def test_a_service_without_endpoints_is_named() -> None:
    omission = without_endpoints(Service(key=ServiceKey("default", "web"), uid="1"))
    assert omission.reason is OmissionReason.NO_USABLE_ENDPOINT
    assert "default/web" in omission.message

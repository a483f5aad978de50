"""The order of nodes: published vectors, preferences."""

import pytest

from lb_controller.model.address import parse_address
from speaker.decide.ranking import rank

# MetalLB's own order, so that a cluster that changes over sees no address move.
VECTORS = [
    ("10.0.0.1", {"node-a", "node-b", "node-c"}, {}, "node-b node-a node-c"),
    ("10.0.0.2", {"node-a", "node-b", "node-c"}, {}, "node-b node-c node-a"),
    (
        "10.20.30.1",
        {"edge-a", "edge-b", "worker-a", "worker-b"},
        {"edge-a": 100},
        "edge-a edge-b worker-a worker-b",
    ),
    (
        "10.20.30.1",
        {"edge-a", "edge-b", "worker-a", "worker-b"},
        {"edge-a": 100, "edge-b": 100},
        "edge-b edge-a worker-a worker-b",
    ),
]


@pytest.mark.parametrize(("address", "nodes", "weights", "order"), VECTORS)
def test_the_order_is_the_published_one(address: str, nodes: set[str], weights: dict[str, int], order: str) -> None:
    assert rank(parse_address(address), nodes, weights) == tuple(order.split())


def test_an_ipv6_address_is_hashed_in_its_shortest_form() -> None:
    nodes = ["node-a", "node-b", "node-c"]
    assert rank(parse_address("2001:DB8:0:0::1"), nodes) == rank(parse_address("2001:db8::1"), nodes)


def test_the_order_of_the_input_means_nothing() -> None:
    nodes = [f"node-{number}" for number in range(20)]
    assert rank(parse_address("192.0.2.1"), nodes) == rank(parse_address("192.0.2.1"), reversed(nodes))


def test_nobody_ranks_nobody() -> None:
    assert rank(parse_address("192.0.2.1"), []) == ()


def test_a_weight_of_a_node_that_is_no_candidate_means_nothing() -> None:
    assert rank(parse_address("192.0.2.1"), ["a"], {"b": 100}) == ("a",)


def test_names_of_253_characters_that_differ_in_the_last_one_are_told_apart() -> None:
    nodes = ["n" * 252 + letter for letter in "abcdef"]
    owners = {rank(parse_address(f"192.0.2.{number}"), nodes)[0] for number in range(100)}
    assert owners == set(nodes)

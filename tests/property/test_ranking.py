"""Ranking moves minimally, and the incremental decider is the same as deciding from scratch."""

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from lb_controller.model.address import Address, parse_address, parse_range
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import Config, L2Advertisement, NodePreference, Pool, PoolSelection
from lb_controller.model.selectors import LabelSelector, Operator, Requirement
from speaker.decide.decider import Decider
from speaker.decide.layer2 import Announcement
from speaker.decide.ranking import rank

ADDRESSES = [parse_address(f"192.0.2.{number}") for number in range(200)]
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=20)


@given(st.sets(names, min_size=2, max_size=8), st.sampled_from(ADDRESSES), st.data())
def test_a_node_that_goes_changes_nothing_in_the_order_of_the_others(
    nodes: set[str], address: Address, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(nodes)))
    before = rank(address, nodes)
    assert rank(address, nodes - {gone}) == tuple(node for node in before if node != gone)


@given(st.sets(names, min_size=1, max_size=8), names)
def test_a_node_that_comes_takes_addresses_and_moves_none_between_the_others(nodes: set[str], comer: str) -> None:
    for address in ADDRESSES[:20]:
        before, after = rank(address, nodes)[0], rank(address, nodes | {comer})[0]
        assert after in (before, comer)


def test_the_tenth_node_takes_a_tenth_of_the_addresses() -> None:
    nodes = [f"node-{number}" for number in range(9)]
    many = [parse_address(f"10.0.{high}.{low}") for high in range(8) for low in range(250)]
    moved = sum(rank(address, nodes)[0] != rank(address, [*nodes, "node-9"])[0] for address in many)
    assert 150 <= moved <= 250, "of 2,000 addresses about 200"
    owners = Counter(rank(address, [*nodes, "node-9"])[0] for address in many)
    assert all(140 <= number <= 260 for number in owners.values())


@given(st.dictionaries(names, st.integers(0, 100), min_size=1, max_size=8), st.sampled_from(ADDRESSES))
def test_a_higher_preference_always_comes_first(weights: dict[str, int], address: Address) -> None:
    order = [weights[node] for node in rank(address, weights, weights)]
    assert order == sorted(order, reverse=True)


# --- the decider and its twin

RACKS = ("a", "b")
NODES = ("n1", "n2", "n3")
POOLS = (Pool("one", (parse_range("192.0.2.0/30"),)), Pool("two", (parse_range("192.0.2.4/30"),), labels={"x": "y"}))
labels = st.fixed_dictionaries({}, optional={"rack": st.sampled_from(RACKS), "app": st.sampled_from(("web", "db"))})


def selector(key: str, value: str) -> LabelSelector:
    return LabelSelector((Requirement(key, Operator.IN, frozenset({value})),))


selectors = st.lists(st.sampled_from([selector("rack", "a"), selector("rack", "b")]), max_size=1).map(tuple)
service_selectors = st.lists(st.just(selector("app", "web")), max_size=1).map(tuple)
advertisements = st.builds(
    L2Advertisement,
    name=st.sampled_from(("x", "y", "z")),
    pools=st.sampled_from(
        [PoolSelection(), PoolSelection(frozenset({"one"})), PoolSelection(frozenset(), (selector("x", "y"),))]
    ),
    node_selectors=selectors,
    service_selectors=service_selectors,
    interfaces=st.frozensets(st.sampled_from(("eth0", "eth1")), max_size=2),
    preferences=st.lists(
        st.builds(NodePreference, st.integers(1, 100), st.just(selector("rack", "b"))), max_size=1
    ).map(tuple),
)
configs = st.builds(
    Config,
    pools=st.sets(st.sampled_from(range(2))).map(lambda chosen: tuple(POOLS[index] for index in sorted(chosen))),
    l2_advertisements=st.lists(advertisements, max_size=3, unique_by=lambda entry: entry.name).map(
        lambda found: tuple(sorted(found, key=lambda entry: entry.name))
    ),
)
nodes = st.builds(
    Node,
    name=st.sampled_from(NODES),
    labels=labels,
    ready=st.sampled_from((True, True, True, False)),
    network_unavailable=st.sampled_from((False, False, True)),
)
endpoints = st.lists(
    st.builds(Endpoint, st.sampled_from((*NODES, None)), st.booleans(), st.booleans()), max_size=3
).map(tuple)
keys = st.sampled_from([ServiceKey("default", name) for name in ("s1", "s2", "s3")])
services = st.builds(
    Service,
    key=keys,
    uid=st.just(""),
    labels=labels,
    traffic_policy=st.sampled_from(TrafficPolicy),
    ingress=st.lists(st.sampled_from(ADDRESSES[1:10:2]), max_size=3).map(tuple),
)
Change = Callable[[Decider], None]
changes: st.SearchStrategy[Change] = st.one_of(
    configs.map(lambda value: lambda decider: decider.set_config(value)),
    nodes.map(lambda value: lambda decider: decider.set_node(value.name, value)),
    st.sampled_from(NODES).map(lambda name: lambda decider: decider.set_node(name, None)),
    services.map(lambda value: lambda decider: decider.set_service(value.key, value)),
    keys.map(lambda key: lambda decider: decider.set_service(key, None)),
    st.tuples(keys, endpoints).map(lambda pair: lambda decider: decider.set_endpoints(*pair)),
)


def from_scratch(decider: Decider, config: Config) -> Decider:
    """The obviously correct twin: everything told once, decided once."""
    twin = Decider(decider.me)
    twin.set_config(config)
    for name, node in decider.cluster.nodes.items():
        twin.set_node(name, node)
    for key, service in decider.cluster.services.items():
        twin.set_service(key, service)
    for key, found in decider.cluster.endpoints.items():
        twin.set_endpoints(key, found)
    twin.settle()
    return twin


@settings(max_examples=300)
@given(configs, st.lists(st.lists(changes, min_size=1, max_size=6), max_size=8))
def test_the_decider_equals_its_twin_and_its_changes_lead_from_one_picture_to_the_next(
    first: Config, rounds: list[list[Change]]
) -> None:
    config = first

    class Noting(Decider):
        def set_config(self, value: Config) -> None:
            nonlocal config
            config = value
            super().set_config(value)

    decider = Noting("n1")
    decider.set_config(first)
    picture: dict[Address, Announcement] = {}
    for batch in rounds:
        for change in batch:
            change(decider)
        told = decider.settle()
        for address in told.removed:
            del picture[address]
        picture |= {entry.address: entry for entry in told.changed}
        assert picture == decider.announcements
        twin = from_scratch(decider, config)
        assert decider.announcements == twin.announcements
        assert decider.omissions == twin.omissions
        check(decider)


def check(decider: Decider) -> None:
    """What must hold of every picture."""
    held = {(key, address) for key, service in decider.cluster.services.items() for address in service.ingress}
    announced = {(key, entry.address) for entry in decider.announcements.values() for key in entry.services}
    omitted = {(key, address) for address, found in decider.omissions.items() for key in found}
    assert announced | omitted == held, "each held address is announced or has its reason"
    assert not announced & omitted
    for entry in decider.announcements.values():
        assert entry.candidates, "an announcement without a candidate would be silence without a reason"
        for name in entry.candidates:
            node = decider.cluster.nodes[name]
            assert node.ready
            assert not node.network_unavailable
        for key in entry.services:
            service = decider.cluster.services[key]
            usable = {found.node for found in decider.cluster.endpoints[key] if found.usable}
            assert usable
            assert service.traffic_policy is TrafficPolicy.CLUSTER or set(entry.candidates) <= usable

"""The decision that is kept up to date is the one that is made from scratch, after any sequence of changes."""

import random
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from lb_controller.model.address import AddressRange
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import BGPAdvertisement, BGPPeer, Config, Pool, ServiceAttribute
from speaker.decide.bgp import BgpDecider, desired_bgp
from speaker.decide.facts import Cluster

PEERS = tuple(
    BGPPeer(name=name, my_asn=1, peer_asn=2, address=ip_address(f"10.0.0.{number}")) for number, name in enumerate("ab")
)
POOL = Pool("p", (AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.255")),))
ADVERTISEMENTS = (
    BGPAdvertisement("host", service_annotations=frozenset(ServiceAttribute)),
    BGPAdvertisement("wide", aggregation_length=29, peers=frozenset("a"), link_bandwidth=10),
    BGPAdvertisement("other", med=5, peers=frozenset("b")),
)


class World:
    """Facts that change, and the decider that follows them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.cluster = Cluster({}, {name: Node(name=name) for name in ("n1", "n2")}, {})
        self.config = Config(pools=(POOL,), bgp_advertisements=ADVERTISEMENTS[:1], bgp_peers=PEERS)
        self.decider = BgpDecider("n1")

    def change(self) -> None:
        self.chance.choice([self.service] * 6 + [self.endpoints] * 3 + [self.node, self.configuration])()

    def key(self) -> ServiceKey:
        return ServiceKey("default", self.chance.choice("abcdefgh"))

    def service(self) -> None:
        key, chance = self.key(), self.chance
        if chance.random() < 0.25:
            self.cluster.services.pop(key, None)  # type: ignore[attr-defined]
            return
        addresses = tuple(ip_address(f"192.0.2.{chance.randint(0, 20)}") for _ in range(chance.randint(0, 2)))
        notes = {"heraldlb.io/bgp-med": chance.choice(("", "1", "2", "x")), "heraldlb.io/bgp-communities": "65000:1"}
        self.cluster.services[key] = Service(  # type: ignore[index]
            key=key,
            uid="u",
            ingress=addresses,
            annotations=notes if chance.random() < 0.4 else {},
            traffic_policy=chance.choice(list(TrafficPolicy)),
        )

    def endpoints(self) -> None:
        chance = self.chance
        self.cluster.endpoints[self.key()] = tuple(  # type: ignore[index]
            Endpoint(chance.choice(("n1", "n2")), ready=chance.random() < 0.7, serving=True, terminating=True)
            for _ in range(chance.randint(0, 3))
        )

    def node(self) -> None:
        chance = self.chance
        label = {"node.kubernetes.io/exclude-from-external-load-balancers": ""} if chance.random() < 0.3 else {}
        found = Node(name="n1", labels=label, ready=chance.random() < 0.8, unschedulable=chance.random() < 0.3)
        self.cluster.nodes["n1"] = found  # type: ignore[index]

    def configuration(self) -> None:
        chosen = tuple(ad for ad in ADVERTISEMENTS if self.chance.random() < 0.6)
        self.config = replace(self.config, bgp_advertisements=chosen)


@settings(max_examples=120, deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_following_changes_is_deciding_from_scratch(seed: int) -> None:
    world = World(random.Random(seed))
    for _ in range(40):
        for _ in range(world.chance.randint(1, 3)):
            world.change()
        followed = world.decider.decide(world.config, world.cluster, {})
        assert followed == desired_bgp(world.config, world.cluster, "n1", {})

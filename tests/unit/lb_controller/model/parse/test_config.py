"""Rules between objects: the older keeps, the newer is told, all others are left alone."""

from typing import Any

import pytest

from lb_controller.model import names
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.reasons import ObjectReason

PEER = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.0.2.1"}


def raw(kind: str, name: str, spec: Any, *, day: int = 1, origin: Origin = Origin.HERALDLB) -> RawObject:
    metadata = {"name": name, "creationTimestamp": f"2026-01-{day:02}T00:00:00Z"}
    return RawObject(kind, origin, {"metadata": metadata, "spec": spec})


def pool(name: str, *addresses: str, day: int = 1, origin: Origin = Origin.HERALDLB) -> RawObject:
    return raw(names.KIND_IP_ADDRESS_POOL, name, {"addresses": list(addresses)}, day=day, origin=origin)


def advertisement(name: str, day: int = 1, **spec: Any) -> RawObject:
    return raw(names.KIND_BGP_ADVERTISEMENT, name, spec, day=day)


def community(name: str, alias: str, value: str, *, day: int = 1, origin: Origin = Origin.HERALDLB) -> RawObject:
    spec = {"communities": [{"name": alias, "value": value}]}
    return raw(names.KIND_COMMUNITY, name, spec, day=day, origin=origin)


def parsed(*raws: RawObject) -> tuple[Config, list[str]]:
    config, problems = parse_config(raws)
    assert parse_config(reversed(raws)) == (config, problems), "the order of the input must not matter"
    return config, [str(problem) for problem in problems]


def test_nothing_is_an_empty_configuration() -> None:
    assert parsed() == (Config(), [])


def test_of_two_pools_that_overlap_the_older_stays_and_both_are_named() -> None:
    config, problems = parsed(
        pool("new", "198.51.100.0/24", "192.0.2.128-192.0.2.200", day=2),
        pool("old", "192.0.2.0/24", day=1),
        pool("third", "203.0.113.0/24", day=3),
    )
    assert [found.name for found in config.pools] == ["old", "third"]
    assert problems == [
        "IPAddressPool new spec.addresses[1]: 192.0.2.128-192.0.2.200 overlaps 192.0.2.0/24 "
        "of the older IPAddressPool old; remove it from one of them"
    ]


def test_of_two_pools_of_one_age_the_first_by_name_stays() -> None:
    config, _ = parsed(pool("b", "192.0.2.0/24"), pool("a", "192.0.2.0/24"))
    assert [found.name for found in config.pools] == ["a"]


def test_every_entry_that_overlaps_is_told() -> None:
    _, problems = parsed(pool("a", "192.0.2.0/24", "2001:db8::/64"), pool("b", "2001:db8::/48", "192.0.2.4/32", day=2))
    assert [problem.split(":")[0] for problem in problems] == [
        "IPAddressPool b spec.addresses[0]",
        "IPAddressPool b spec.addresses[1]",
    ]


def test_a_refused_pool_takes_no_addresses_from_a_later_one() -> None:
    config, _ = parsed(pool("a", "192.0.2.0/25"), pool("b", "192.0.2.0/24", day=2), pool("c", "192.0.2.128/25", day=3))
    assert [found.name for found in config.pools] == ["a", "c"]


def test_a_pool_of_each_api_group_may_not_overlap_either() -> None:
    config, problems = parsed(pool("a", "192.0.2.0/24", origin=Origin.METALLB), pool("b", "192.0.2.0/24", day=2))
    assert [found.name for found in config.pools] == ["a"]
    assert "of the older IPAddressPool a" in problems[0]


def test_a_broken_pool_leaves_the_others_in_use() -> None:
    config, problems = parsed(pool("broken", "foo"), pool("whole", "192.0.2.0/24"))
    assert [found.name for found in config.pools] == ["whole"]
    assert len(problems) == 1


@pytest.mark.parametrize("day", [1, 3])
def test_of_one_name_in_both_groups_ours_is_read_whatever_its_age(day: int) -> None:
    theirs = pool("x", "192.0.2.0/24", day=2, origin=Origin.METALLB)
    config, problems = parsed(theirs, pool("x", "198.51.100.0/24", day=day))
    assert [str(part) for found in config.pools for part in found.ranges] == ["198.51.100.0/24"]
    assert problems == [
        "IPAddressPool x metadata.name: not read: another IPAddressPool of the same name exists in heraldlb.io; "
        "remove one of them"
    ]


def test_an_alias_stands_for_its_value() -> None:
    config, problems = parsed(community("c", "vip", "65000:7"), advertisement("a", communities=["vip", "65000:1"]))
    assert problems == []
    assert config.bgp_advertisements[0].communities == {"65000:7", "65000:1"}


def test_an_unknown_alias_takes_out_its_advertisement_only() -> None:
    config, problems = parsed(advertisement("a", communities=["vip"]), advertisement("b"))
    assert [found.name for found in config.bgp_advertisements] == ["b"]
    assert problems[0].startswith("BGPAdvertisement a spec.communities[0]: no Community object defines the alias 'vip'")


def test_an_alias_defined_twice_means_what_the_older_says() -> None:
    new, old = community("new", "vip", "65000:2", day=2), community("old", "vip", "65000:1")
    config, problems = parsed(new, old, advertisement("a", communities=["vip"]))
    assert config.bgp_advertisements[0].communities == {"65000:1"}
    assert problems == [
        "Community new spec.communities: the alias 'vip' is defined by the older Community old; remove one"
    ]


def test_a_community_of_one_name_in_both_groups_is_read_from_ours() -> None:
    theirs = community("c", "vip", "65000:1", origin=Origin.METALLB)
    config, _ = parsed(theirs, community("c", "vip", "65000:2", day=2), advertisement("a", communities=["vip"]))
    assert config.bgp_advertisements[0].communities == {"65000:2"}


def test_a_peer_waits_for_its_bfd_profile() -> None:
    peer = raw(names.KIND_BGP_PEER, "p", {**PEER, "bfdProfile": "fast"})
    config, problems = parse_config([peer])
    assert config.bgp_peers == ()
    assert [problem.reason for problem in problems] == [ObjectReason.REFERENCE_NOT_FOUND]
    config, complaints = parsed(peer, raw(names.KIND_BFD_PROFILE, "fast", {}))
    assert ([found.name for found in config.bgp_peers], complaints) == (["p"], [])


def test_a_peer_that_says_the_same_as_an_older_one_is_told_so() -> None:
    first, second = raw(names.KIND_BGP_PEER, "p", PEER), raw(names.KIND_BGP_PEER, "q", PEER, day=2)
    config, problems = parsed(first, second)
    assert [found.name for found in config.bgp_peers] == ["p"]
    assert problems == ["BGPPeer q spec: says the same as the older BGPPeer p; remove one"]


@pytest.mark.parametrize(
    ("addresses", "length", "sentence"),
    [
        (
            "192.0.2.0/24",
            {"aggregationLength": 23},
            "spec.aggregationLength: an aggregate of /23 reaches beyond 192.0.2.0/24",
        ),
        (
            "192.0.2.4-192.0.2.11",
            {"aggregationLength": 28},
            "beyond 192.0.2.4-192.0.2.11 of IPAddressPool p; write at least 30",
        ),
        ("2001:db8::/64", {"aggregationLengthV6": 48}, "spec.aggregationLengthV6: an aggregate of /48 reaches beyond"),
    ],
)
def test_an_aggregate_may_not_reach_beyond_a_pool(addresses: str, length: dict[str, int], sentence: str) -> None:
    config, problems = parsed(pool("p", addresses), advertisement("a", **length))
    assert config.bgp_advertisements == ()
    assert sentence in problems[0]


def test_an_aggregate_is_measured_on_selected_pools_of_its_family_only() -> None:
    config, problems = parsed(
        pool("p", "192.0.2.0/24"),
        pool("q", "198.51.100.0/28", "2001:db8::/120"),
        advertisement("a", ipAddressPools=["p"], aggregationLength=24),
    )
    assert (len(config.bgp_advertisements), problems) == (1, [])


def test_objects_stand_sorted_by_name() -> None:
    config, _ = parsed(pool("b", "192.0.2.0/24"), pool("a", "198.51.100.0/24", day=2))
    assert [found.name for found in config.pools] == ["a", "b"]

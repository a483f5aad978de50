"""One object alone: what each field becomes, and the sentence for what cannot be used."""

from dataclasses import replace
from typing import Any

import pytest

from lb_controller.model import names
from lb_controller.model.config import Config, DynamicASN, Origin, SharingScope
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Severity
from lb_controller.model.reasons import ObjectReason

PEER = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.0.2.1"}
POOL, L2, BGP = names.KIND_IP_ADDRESS_POOL, names.KIND_L2_ADVERTISEMENT, names.KIND_BGP_ADVERTISEMENT
BGP_PEER, BFD, COMMUNITY = names.KIND_BGP_PEER, names.KIND_BFD_PROFILE, names.KIND_COMMUNITY


def parsed(kind: str, spec: Any, origin: Origin = Origin.HERALDLB) -> tuple[Config, list[str]]:
    config, problems = parse_config([RawObject(kind, origin, {"metadata": {"name": "x"}, "spec": spec})])
    return config, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("kind", "spec", "sentence"),
    [
        (POOL, None, "IPAddressPool x spec.addresses: is empty; write at least one CIDR or range"),
        (POOL, {"addresses": []}, "IPAddressPool x spec.addresses: is empty; write at least one CIDR or range"),
        (POOL, {"addresses": "192.0.2.0/24"}, "IPAddressPool x spec.addresses: must be a list, not text"),
        (POOL, {"addresses": [7]}, "IPAddressPool x spec.addresses[0]: must be text: a CIDR or FIRST-LAST"),
        (POOL, "all", "IPAddressPool x spec: must be an object, not text"),
        (POOL, [], "IPAddressPool x spec: must be an object, not a list"),
        (
            POOL,
            {"addresses": ["192.0.2.0/24", "192.0.2.9-192.0.2.20"]},
            "spec.addresses[1]: '192.0.2.9-192.0.2.20' overlaps 192.0.2.0/24 of the same pool; remove one",
        ),
        (
            POOL,
            {"addresses": ["2001:db8::20-2001:db8::10"]},
            "spec.addresses[0]: '2001:db8::20-2001:db8::10' is reversed; write 2001:db8::10-2001:db8::20",
        ),
        (
            POOL,
            {"addresses": ["192.0.2.0/24"], "sharingScope": "Node"},
            "IPAddressPool x spec.sharingScope: 'Node' is neither Namespace nor Cluster",
        ),
        (
            POOL,
            {"addresses": ["192.0.2.0/24"], "serviceAllocation": {"namespaces": ["a", "a"]}},
            "IPAddressPool x spec.serviceAllocation.namespaces[1]: 'a' stands twice in the list; remove one",
        ),
        (L2, "", "L2Advertisement x spec: must be an object, not text"),
        (L2, False, "L2Advertisement x spec: must be an object, not true or false"),
        (
            L2,
            {"nodeSelectors": [{"matchLabels": {"rack": 5}}]},
            "L2Advertisement x spec.nodeSelectors[0].matchLabels.rack: must be text, not a number",
        ),
        (
            L2,
            {"nodeSelectors": [{}, {}]},
            "L2Advertisement x spec.nodeSelectors[1]: this selector stands twice in the list; remove one",
        ),
        (
            L2,
            {"preferredNodeSelectors": [{"weight": 5}]},
            "L2Advertisement x spec.preferredNodeSelectors[0].preference: is missing; "
            "write a label selector, {} for every node",
        ),
        (BGP, {"aggregationLength": 24.5}, "spec.aggregationLength: must be a whole number, not a fraction"),
        (BGP, {"localPref": True}, "spec.localPref: must be a whole number, not true or false"),
        (BGP, {"communities": ["65536:1"]}, "spec.communities[0]: '65536:1' has a number above 65535"),
        (
            BGP,
            {"communities": ["vip"]},
            "spec.communities[0]: no Community object defines the alias 'vip'; "
            "create one that defines it, or write 65000:1 or large:65000:1:2",
        ),
        (BGP_PEER, {}, "BGPPeer x spec.myASN: is missing; write this side's AS number"),
        (BGP_PEER, {**PEER, "holdTime": "2s"}, "BGPPeer x spec.holdTime: 2s is neither 0 nor at least 3s"),
        (BGP_PEER, {**PEER, "holdTime": "9" * 400 + "s"}, "is not a duration; write for example 90s or 1m30s"),
        (BGP_PEER, {**PEER, "holdTime": 90}, "BGPPeer x spec.holdTime: 90 is not a duration"),
        (BGP_PEER, {**PEER, "holdTime": "1500ms"}, "1.5s is not a whole number of seconds from 0 to 65535"),
        (BGP_PEER, {**PEER, "peerAddress": "router"}, "spec.peerAddress: 'router' is not an IPv4 or IPv6 address"),
        (BGP_PEER, {**PEER, "sourceAddress": "fe80::1%eth0"}, "write the address without '%eth0'"),
        (BGP_PEER, {**PEER, "sourceAddress": "2001:db8::1"}, "are of different families"),
        (BFD, {"detectMultiplier": 1}, "BFDProfile x spec.detectMultiplier: 1 is not between 2 and 255"),
        (COMMUNITY, {"communities": [{"value": "1:1"}]}, "spec.communities[0].name: is missing; name the alias"),
        (
            COMMUNITY,
            {"communities": [{"name": "a", "value": "1:1"}, {"name": "a", "value": "1:1"}]},
            "Community x spec.communities[1].name: the alias 'a' stands twice; remove one",
        ),
    ],
)
def test_the_sentence_names_object_field_and_cure(kind: str, spec: Any, sentence: str) -> None:
    config, problems = parsed(kind, spec)
    assert replace(config, community_aliases={}) == Config()
    assert any(sentence in problem for problem in problems), problems


def test_an_unknown_alias_is_a_reference_that_was_not_found() -> None:
    raw = RawObject(BGP, Origin.HERALDLB, {"metadata": {"name": "x"}, "spec": {"communities": ["vip"]}})
    assert [problem.reason for problem in parse_config([raw])[1]] == [ObjectReason.REFERENCE_NOT_FOUND]


def test_a_pool_is_given_out_automatically_and_shared_in_one_namespace_unless_it_says_otherwise() -> None:
    (pool,) = parsed(POOL, {"addresses": ["192.0.2.0/24"]})[0].pools
    assert (pool.auto_assign, pool.avoid_buggy_ips, pool.allocation) == (True, False, None)
    assert pool.sharing_scope is SharingScope.NAMESPACE


def test_a_pool_of_metallb_is_shared_across_namespaces_as_there() -> None:
    (pool,) = parsed(POOL, {"addresses": ["192.0.2.0/24"]}, Origin.METALLB)[0].pools
    assert pool.sharing_scope is SharingScope.CLUSTER


def test_host_bits_of_a_metallb_pool_are_widened_with_a_warning() -> None:
    raw = RawObject(POOL, Origin.METALLB, {"metadata": {"name": "x"}, "spec": {"addresses": ["192.0.2.5/24"]}})
    config, (problem,) = parse_config([raw])
    assert [str(part) for part in config.pools[0].ranges] == ["192.0.2.0/24"]
    assert problem.severity is Severity.WARNING
    assert "has host bits set; read as 192.0.2.0/24, as MetalLB does" in str(problem)


@pytest.mark.parametrize("text", ["2001:DB8::/64", "2001:0db8::/64", " 192.0.2.0/24"])
def test_an_unusual_spelling_is_not_taken_for_host_bits(text: str) -> None:
    assert parsed(POOL, {"addresses": [text]}, Origin.METALLB)[1] == []


def test_ranges_keep_their_written_order() -> None:
    written = ["198.51.100.0/24", "192.0.2.1-192.0.2.9", "2001:db8::/64"]
    (pool,) = parsed(POOL, {"addresses": written})[0].pools
    assert [str(part) for part in pool.ranges] == written


def test_preferences_keep_weight_and_selector() -> None:
    spec = {"preferredNodeSelectors": [{"weight": 7, "preference": {"matchLabels": {"rack": "1"}}}]}
    (advertisement,) = parsed(L2, spec)[0].l2_advertisements
    (preference,) = advertisement.preferences
    assert preference.weight == 7
    assert preference.selector.matches({"rack": "1"})
    assert not preference.selector.matches({"rack": "2"})


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        (None, ""),
        ({}, ""),
        ({"heraldlb.io/rebalance": ""}, ""),
        ({"heraldlb.io/rebalance": " 2026-11-27 "}, "2026-11-27"),
        ({"heraldlb.io/rebalance": 7}, ""),
        ("odd", ""),
    ],
)
@pytest.mark.parametrize("origin", Origin)
def test_an_l2_advertisement_of_either_group_says_when_to_rebalance(
    annotations: object, wanted: str, origin: Origin
) -> None:
    metadata = {"name": "x", "annotations": annotations}
    (found,) = parse_config([RawObject(L2, origin, {"metadata": metadata, "spec": {}})])[0].l2_advertisements
    assert found.rebalance == wanted


def test_match_labels_and_expressions_must_both_hold() -> None:
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}
    (advertisement,) = parsed(L2, {"nodeSelectors": [selector]})[0].l2_advertisements
    (found,) = advertisement.node_selectors
    assert found.matches({"a": "1"})
    assert not found.matches({"a": "1", "b": ""})


def test_an_advertisement_by_bgp_has_host_routes_unless_it_says_otherwise() -> None:
    (advertisement,) = parsed(BGP, {})[0].bgp_advertisements
    assert (advertisement.aggregation_length, advertisement.aggregation_length_v6) == (32, 128)
    assert (advertisement.local_pref, advertisement.as_path_prepend) == (None, 0)


@pytest.mark.parametrize(
    ("times", "hold", "keepalive"),
    [
        ({}, None, None),
        ({"holdTime": "90s"}, 90, 30),
        ({"holdTime": "1m30s"}, 90, 30),
        ({"keepaliveTime": "10s"}, 30, 10),
        ({"holdTime": "90s", "keepaliveTime": "5s"}, 90, 5),
        ({"holdTime": "0"}, 0, 0),
        ({"holdTime": "0s", "keepaliveTime": "0s"}, 0, 0),
        ({"holdTime": "18h12m15s"}, 65535, 21845),
    ],
)
def test_one_time_gives_the_other(times: dict[str, str], hold: int | None, keepalive: int | None) -> None:
    (peer,) = parsed(BGP_PEER, {**PEER, **times})[0].bgp_peers
    assert (peer.hold_time, peer.keepalive_time) == (hold, keepalive)


def test_a_learnt_as_number_may_stand_beside_zero_as_metallb_writes_it() -> None:
    spec = {"myASN": 64512, "peerASN": 0, "dynamicASN": "external", "interface": "eth1"}
    (peer,) = parsed(BGP_PEER, spec, Origin.METALLB)[0].bgp_peers
    assert (peer.peer_asn, peer.dynamic_asn, peer.interface, peer.port) == (None, DynamicASN.EXTERNAL, "eth1", 179)


def test_a_peer_of_the_deprecated_version_reads_alike() -> None:
    selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}
    (peer,) = parsed(BGP_PEER, {**PEER, "nodeSelectors": [selector]}, Origin.METALLB)[0].bgp_peers
    assert peer.node_selectors[0].matches({"kubernetes.io/hostname": "a"})


@pytest.mark.parametrize(("version", "hold"), [("v1beta1", None), ("v1beta2", 0)])
def test_zero_times_mean_unset_in_the_deprecated_version_alone(version: str, hold: int | None) -> None:
    spec = {**PEER, "holdTime": "0s", "keepaliveTime": "0s"}
    body = {"apiVersion": f"metallb.io/{version}", "metadata": {"name": "x"}, "spec": spec}
    [peer] = parse_config([RawObject(BGP_PEER, Origin.METALLB, body)])[0].bgp_peers
    assert (peer.hold_time, peer.keepalive_time) == (hold, hold)


def test_a_link_local_peer_may_carry_its_zone() -> None:
    (peer,) = parsed(BGP_PEER, {**PEER, "peerAddress": "fe80::1%eth0"})[0].bgp_peers
    assert str(peer.address) == "fe80::1%eth0"


def test_no_password_is_shown_when_a_peer_is_printed() -> None:
    (peer,) = parsed(BGP_PEER, {**PEER, "password": "geheim"})[0].bgp_peers
    assert peer.password == "geheim"
    assert "geheim" not in repr(peer)

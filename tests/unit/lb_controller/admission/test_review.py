"""Changes of our objects: what is denied, what is let in with a warning, what is none of the webhook's business."""

from ipaddress import ip_address
from typing import Any

import pytest

from lb_controller.admission.review import Known, Operation, Request, Verdict, review, unjudged
from lb_controller.model import names
from lb_controller.model.cluster import Node
from lb_controller.model.config import Origin
from lb_controller.model.parse.lint import Facts
from lb_controller.model.parse.objects import RawObject

POOL, L2, BGP = names.KIND_IP_ADDRESS_POOL, names.KIND_L2_ADVERTISEMENT, names.KIND_BGP_ADVERTISEMENT
PEER, PROFILE, COMMUNITY = names.KIND_BGP_PEER, names.KIND_BFD_PROFILE, names.KIND_COMMUNITY


def raw(kind: str, name: str, age: int = 1, origin: Origin = Origin.HERALDLB, **spec: object) -> RawObject:
    metadata = {"name": name, "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    return RawObject(kind, origin, {"metadata": metadata, "spec": spec})


def pool(name: str, *addresses: str, age: int = 1, origin: Origin = Origin.HERALDLB) -> RawObject:
    return raw(POOL, name, age, origin, addresses=list(addresses))


def labelled(one: RawObject, **metadata: object) -> RawObject:
    body: dict[str, Any] = {**one.body, "metadata": {**one.body["metadata"], **metadata}}
    return RawObject(one.kind, one.origin, body)


def known(*objects: RawObject, held: tuple[str, ...] = (), facts: Facts | None = None) -> Known:
    return Known(objects, tuple(ip_address(text) for text in held), facts or Facts())


def created(new: RawObject, *objects: RawObject) -> Verdict:
    return review(Request(Operation.CREATE, None, new), known(*objects))


def updated(old: RawObject, new: RawObject, *objects: RawObject) -> Verdict:
    return review(Request(Operation.UPDATE, old, new), known(old, *objects))


def deleted(old: RawObject, *objects: RawObject, held: tuple[str, ...] = ()) -> Verdict:
    return review(Request(Operation.DELETE, old, None), known(old, *objects, held=held))


def test_a_good_pool_is_let_in_without_a_word() -> None:
    assert created(pool("a", "192.0.2.0/28"), pool("b", "192.0.2.16/28")) == Verdict()


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (pool("new", "192.0.2.8/29", age=9), "overlaps 192.0.2.0/28 of the older IPAddressPool old"),
        (pool("new", "192.0.2.5-192.0.2.9", age=9), "older IPAddressPool old"),
        (pool("new", "198.51.100.1/24"), "host bits"),
        (pool("new", "198.51.100.9-198.51.100.1"), "reversed"),
        (pool("new", "198.51.100.9-2001:db8::1"), "mixes"),
        (pool("new"), "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pool_that_cannot_be_used_is_denied_with_the_sentence_of_parse(new: RawObject, word: str) -> None:
    verdict = created(new, pool("old", "192.0.2.0/28"))
    assert not verdict.allowed
    assert word in verdict.denial


def test_of_two_pools_of_one_second_the_one_that_comes_is_the_younger_whatever_its_name() -> None:
    verdict = created(pool("a", "192.0.2.0/29"), pool("b", "192.0.2.0/28"))
    assert verdict.denial.startswith("spec.addresses[0]: 192.0.2.0/29 overlaps 192.0.2.0/28 of the older")


def test_a_pool_of_metallb_is_in_the_way_as_well() -> None:
    verdict = created(pool("new", "192.0.2.0/29", age=9), pool("old", "192.0.2.0/28", origin=Origin.METALLB))
    assert "older IPAddressPool old" in verdict.denial


def test_an_older_pool_may_not_grow_over_a_newer_one() -> None:
    old = pool("old", "192.0.2.0/28")
    verdict = updated(old, pool("old", "192.0.2.0/24"), pool("newer", "192.0.2.64/28", age=2))
    assert "with it, IPAddressPool newer" in verdict.denial


def test_a_pool_that_would_silence_a_wide_advertisement_is_denied() -> None:
    wide = raw(BGP, "wide", aggregationLength=24)
    assert created(pool("whole", "192.0.2.0/24"), wide).allowed
    assert "BGPAdvertisement wide" in created(pool("narrow", "192.0.2.0/28"), wide).denial


def test_what_was_wrong_before_may_still_be_labelled_mended_in_part_and_deleted() -> None:
    good, bad = pool("good", "192.0.2.0/24"), pool("bad", "192.0.2.0/28", "192.0.2.64/28", age=2)
    assert updated(bad, labelled(bad, labels={"team": "web"}), good).allowed
    assert updated(bad, pool("bad", "192.0.2.0/28", age=2), good).denial == ""
    assert deleted(bad, good).allowed


def test_a_change_of_annotations_or_finalizers_is_not_looked_at() -> None:
    one = raw(L2, "ad", ipAddressPools=["nowhere"])
    assert updated(one, labelled(one, annotations={"a": "b"})) == Verdict()


def test_an_object_that_is_being_deleted_is_never_held_up() -> None:
    old = pool("old", "192.0.2.0/28")
    end = labelled(pool("old", "192.0.2.0/24"), deletionTimestamp="2026-01-01T00:00:00Z")
    assert updated(old, end, pool("newer", "192.0.2.64/28", age=2)) == Verdict()


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (raw(L2, "ad", ipAddressPools=["later"]), "there is no valid IPAddressPool 'later'"),
        (raw(BGP, "ad", ipAddressPools=["later"]), "there is no valid IPAddressPool 'later'"),
        (raw(BGP, "ad", peers=["later"]), "there is no valid BGPPeer 'later'"),
        (raw(BGP, "ad", communities=["later"]), "no Community object defines the alias 'later'"),
        (raw(PEER, "p", myASN=1, peerASN=2, peerAddress="192.0.2.1", bfdProfile="later"), "there is no BFDProfile"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_that_leads_nowhere_yet_is_a_warning(new: RawObject, word: str) -> None:
    verdict = created(new)
    assert verdict.allowed
    [warning] = verdict.warnings
    assert word in warning


def test_deleting_a_pool_whose_addresses_are_held_warns_with_their_number() -> None:
    one = pool("p", "192.0.2.0/28")
    assert deleted(one) == Verdict()
    [warning] = deleted(one, held=("192.0.2.3", "192.0.2.2", "192.0.2.2", "198.51.100.1")).warnings
    assert "Services hold 2 addresses, such as 192.0.2.2, of IPAddressPool p" in warning
    [single] = deleted(one, held=("192.0.2.2",)).warnings
    assert "the address 192.0.2.2 of" in single


def test_deleting_what_others_name_warns_and_names_them() -> None:
    profile, community = raw(PROFILE, "fast"), raw(COMMUNITY, "c", communities=[{"name": "blue", "value": "1:2"}])
    peer = raw(PEER, "p", myASN=1, peerASN=2, peerAddress="192.0.2.1", bfdProfile="fast")
    ad = raw(BGP, "ad", peers=["p"], communities=["blue"])
    for gone, name in ((profile, "BGPPeer p"), (community, "BGPAdvertisement ad"), (peer, "BGPAdvertisement ad")):
        verdict = deleted(gone, *(one for one in (profile, community, peer, ad) if one is not gone))
        assert verdict.allowed
        assert any(name in warning for warning in verdict.warnings), gone.kind


def test_removing_an_alias_that_is_used_warns() -> None:
    old, new = raw(COMMUNITY, "c", communities=[{"name": "blue", "value": "1:2"}]), raw(COMMUNITY, "c", communities=[])
    verdict = updated(old, new, raw(BGP, "ad", communities=["blue"]))
    assert verdict.allowed
    assert "with it, BGPAdvertisement ad" in verdict.warnings[0]


def test_a_pool_that_holds_a_node_s_address_is_let_in_with_a_warning() -> None:
    facts = Facts(nodes=(Node(name="n1", addresses=(ip_address("192.0.2.5"),)),))
    verdict = review(Request(Operation.CREATE, None, pool("p", "192.0.2.4/30")), known(facts=facts))
    assert verdict.allowed
    assert "192.0.2.5 of Node n1" in verdict.warnings[0]


def test_warnings_are_cut_to_what_the_api_server_passes_on() -> None:
    verdict = created(raw(L2, "ad", ipAddressPools=["x" * 253, *(f"p{number}" for number in range(20))]))
    assert len(verdict.warnings) == 10
    assert max(map(len, verdict.warnings)) <= 250
    assert verdict.warnings[-1] == "and 12 more warnings"


def test_what_cannot_be_judged_is_let_in_with_a_warning() -> None:
    verdict = unjudged("the controller has not read the cluster yet")
    assert verdict.allowed
    assert "not read the cluster" in verdict.warnings[0]

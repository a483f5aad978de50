"""Parsing: arbitrary JSON never raises, the order of the input never matters, a range is what its text says."""

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lb_controller.model import names
from lb_controller.model.address import Address, AddressRange, parse_range
from lb_controller.model.config import Origin
from lb_controller.model.parse.claims import Claims
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import KINDS, RawObject

FIELDS = [
    *("addresses", "autoAssign", "serviceAllocation", "priority", "namespaces", "namespaceSelectors", "sharingScope"),
    *("ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors", "interfaces", "matchLabels"),
    *("preferredNodeSelectors", "weight", "preference", "matchExpressions", "key", "operator", "values", "peers"),
    *("aggregationLength", "localPref", "communities", "name", "value", "myASN", "peerASN", "dynamicASN", "holdTime"),
    *("peerAddress", "keepaliveTime", "connectTime", "routerID", "password", "passwordSecret", "bfdProfile"),
    *("detectMultiplier", "receiveInterval", "echoMode", "minimumTtl", "metadata", "spec", "labels"),
]
TELLING = [
    *(
        "192.0.2.0/24",
        "192.0.2.5/24",
        "192.0.2.1-192.0.2.9",
        "2001:db8::/64",
        "foo",
        "::1%",
        "%",
        "-",
        "/",
        "٣s",
        "0",
        "90s",
    ),
    *("In", "NotIn", "Exists", "65000:1", "large:1:2:3", "internal", "1e999s", "9" * 400 + "s", "fe80::1%eth0", "1/²"),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
json_values = st.recursive(
    scalars | st.sampled_from(TELLING),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=20,
)
specs = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)


@st.composite
def raw_objects(draw: st.DrawFn) -> RawObject:
    body: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["metadata", "spec"]), json_values))
    if draw(st.booleans()):
        body["spec"] = draw(specs)
    return RawObject(draw(st.sampled_from(KINDS)), draw(st.sampled_from(Origin)), body)


@given(st.lists(raw_objects(), max_size=6))
def test_whatever_the_json_is_parsing_never_raises_and_problems_read_as_sentences(raws: list[RawObject]) -> None:
    _, problems = parse_config(raws)
    kinds = {raw.kind for raw in raws}
    assert all(problem.kind in kinds and problem.message and str(problem) for problem in problems)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    return draw(st.ip_addresses(v=4, network="192.0.2.0/26") | st.ip_addresses(v=6, network="2001:db8::/122"))


@st.composite
def ranges(draw: st.DrawFn) -> AddressRange:
    first = draw(addresses())
    length = draw(st.integers(0, 12))
    most = int(ipaddress.ip_address("192.0.2.63" if first.version == 4 else "2001:db8::3f"))
    return AddressRange(first, type(first)(min(int(first) + length, most)))


@st.composite
def named_objects(draw: st.DrawFn) -> list[RawObject]:
    """Objects with distinct kind, group and name, mostly sound, with few names and ages so that they clash."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.sampled_from(Origin), st.sampled_from("abcd")),
            unique=True,
            max_size=10,
        )
    )
    return [draw(sound_object(kind, origin, name)) for kind, origin, name in keys]


@st.composite
def sound_object(draw: st.DrawFn, kind: str, origin: Origin, name: str) -> RawObject:
    spec: Any = {
        names.KIND_IP_ADDRESS_POOL: st.fixed_dictionaries(
            {"addresses": st.lists(ranges().map(str), min_size=1, max_size=3)}
        ),
        names.KIND_L2_ADVERTISEMENT: st.fixed_dictionaries({}),
        names.KIND_BGP_ADVERTISEMENT: st.fixed_dictionaries(
            {"communities": st.lists(st.sampled_from(["vip", "65000:1"]), unique=True)},
            optional={"aggregationLength": st.sampled_from([24, 30, 32])},
        ),
        names.KIND_BGP_PEER: st.fixed_dictionaries(
            {"myASN": st.just(1), "peerASN": st.sampled_from([1, 2]), "peerAddress": st.just("192.0.2.1")},
            optional={"bfdProfile": st.sampled_from("abcd")},
        ),
        names.KIND_BFD_PROFILE: st.fixed_dictionaries({}),
        names.KIND_COMMUNITY: st.fixed_dictionaries(
            {"communities": st.just([{"name": "vip", "value": f"65000:{ord(name)}"}])}
        ),
    }[kind]
    created = f"2026-01-0{draw(st.integers(1, 3))}T00:00:00Z"
    return RawObject(kind, origin, {"metadata": {"name": name, "creationTimestamp": created}, "spec": draw(spec)})


@given(named_objects(), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_changes_nothing(raws: list[RawObject], random: Any) -> None:
    shuffled = list(raws)
    random.shuffle(shuffled)
    assert parse_config(shuffled) == parse_config(raws)


@given(named_objects())
def test_pools_in_use_never_overlap_and_every_pool_is_in_use_or_told(raws: list[RawObject]) -> None:
    config, problems = parse_config(raws)
    parts = [part for pool in config.pools for part in pool.ranges]
    assert not any(one.overlaps(other) for index, one in enumerate(parts) for other in parts[:index])
    used = {(pool.origin, pool.name) for pool in config.pools}
    told = {(problem.origin, problem.name) for problem in problems if problem.kind == names.KIND_IP_ADDRESS_POOL}
    assert used | told == {(raw.origin, raw.name) for raw in raws if raw.kind == names.KIND_IP_ADDRESS_POOL}
    assert not used & told


@given(named_objects(), st.sampled_from(KINDS))
def test_a_newer_broken_object_disturbs_no_other(raws: list[RawObject], kind: str) -> None:
    metadata = {"name": "zz", "creationTimestamp": "2027-01-01T00:00:00Z"}
    broken = RawObject(kind, Origin.HERALDLB, {"metadata": metadata, "spec": 7})
    config, problems = parse_config(raws)
    disturbed, more = parse_config([*raws, broken])
    assert disturbed == config
    assert set(problems) < set(more)


@given(ranges())
def test_a_range_survives_being_written_and_read(part: AddressRange) -> None:
    assert parse_range(str(part)) == part
    assert parse_range(f"{part.first} - {part.last}") == part
    assert sum(network.num_addresses for network in part.networks()) == part.size


@given(st.lists(ranges(), max_size=12), ranges())
def test_claims_answer_as_a_look_at_every_range_would(wanted: list[AddressRange], asked: AddressRange) -> None:
    claims, kept = Claims(), []
    for part in wanted:
        if claims.rival(part) is None:
            claims.add(part, str(part))
            kept.append(part)
    assert not any(one.overlaps(other) for index, one in enumerate(kept) for other in kept[:index])
    rival = claims.rival(asked)
    overlapping = [part for part in kept if part.overlaps(asked)]
    assert (rival is not None) is bool(overlapping)
    assert rival is None or (rival[0] in overlapping and rival[1] == str(rival[0]))

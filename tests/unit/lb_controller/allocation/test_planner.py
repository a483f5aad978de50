"""The rules of assignment, one by one."""

from dataclasses import replace

import pytest

from lb_controller.allocation.changes import AllocationSettings, ServiceChanged, ServiceGone, Stranded
from lb_controller.allocation.effects import PatchStatus, effects
from lb_controller.allocation.numbers import address_of
from lb_controller.allocation.outcome import Assignment
from lb_controller.model.cluster import FamilyPolicy, Service, ServiceKey
from lb_controller.model.config import ServiceAllocation, SharingScope
from lb_controller.model.reasons import AssignedReason, RefusalReason
from tests.support.allocation import V4, V6, World, labelled, pool, service

DUAL = (V4, V6)
REQUIRE, PREFER = FamilyPolicy.REQUIRE_DUAL_STACK, FamilyPolicy.PREFER_DUAL_STACK


def gone(name: str) -> ServiceGone:
    return ServiceGone(ServiceKey("default", name))


# --- which address


def test_the_lowest_free_address_is_given() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a"), service("b"))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.0"], ["192.0.2.1"])
    world.take(gone("a"))
    world.put(service("c"))
    assert world.addresses("c") == ["192.0.2.0"]


def test_ranges_are_used_in_the_written_order() -> None:
    world = World(pool("p", "192.0.2.8/31", "192.0.2.0/31"))
    world.put(service("a"), service("b"), service("c"))
    assert [world.addresses(name)[0] for name in "abc"] == ["192.0.2.8", "192.0.2.9", "192.0.2.0"]


def test_addresses_that_old_routers_dislike_are_passed_over() -> None:
    world = World(pool("p", "192.0.2.254-192.0.3.1", buggy=True))
    world.put(service("a"), service("b"), service("c"))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.254"], ["192.0.3.1"])
    assert world.refusal("c").reason is RefusalReason.POOL_EXHAUSTED


def test_a_huge_pool_costs_nothing() -> None:
    world = World(pool("p", "10.0.0.0/8", "2001:db8::/64"))
    world.put(service("a", ips=DUAL, policy=REQUIRE))
    assert world.addresses("a") == ["10.0.0.0", "2001:db8::"]


# --- which pool


def test_unpinned_pools_are_used_by_name() -> None:
    world = World(pool("b", "192.0.2.2/32"), pool("a", "192.0.2.1/32"))
    world.put(service("x"), service("y"))
    assert (world.addresses("x"), world.addresses("y")) == (["192.0.2.1"], ["192.0.2.2"])


def test_pinned_pools_come_first_by_priority_and_zero_is_last() -> None:
    world = World(
        pool("z", "192.0.2.1/32", allocation=ServiceAllocation(priority=0)),
        pool("y", "192.0.2.2/32", allocation=ServiceAllocation(priority=20)),
        pool("x", "192.0.2.3/32", allocation=ServiceAllocation(priority=10)),
        pool("a", "192.0.2.4/32"),
    )
    world.put(*(service(name) for name in "1234"))
    assert [world.addresses(name)[0] for name in "1234"] == ["192.0.2.3", "192.0.2.2", "192.0.2.1", "192.0.2.4"]


def test_a_pool_without_auto_assign_serves_only_who_asks() -> None:
    world = World(pool("p", "192.0.2.0/24", auto=False))
    world.put(service("a"), service("b", notes={"address-pool": "p"}))
    assert world.refusal("a").reason is RefusalReason.NO_POOL
    assert world.addresses("b") == ["192.0.2.0"]


def test_a_pinned_pool_lets_in_namespaces_by_name_or_label() -> None:
    allocation = ServiceAllocation(namespaces=frozenset({"red"}), namespace_selectors=(labelled("team", "blue"),))
    world = World(pool("p", "192.0.2.0/24", allocation=allocation))
    world.namespaces(red={}, sea={"team": "blue"}, green={})
    world.put(service("red/a"), service("sea/b"), service("green/c"))
    assert world.addresses("red/a") == ["192.0.2.0"]
    assert world.addresses("sea/b") == ["192.0.2.1"]
    assert world.refusal("green/c").reason is RefusalReason.NO_POOL


def test_namespace_and_service_selectors_must_both_match() -> None:
    allocation = ServiceAllocation(namespaces=frozenset({"red"}), service_selectors=(labelled("tier", "web"),))
    world = World(pool("p", "192.0.2.0/24", allocation=allocation))
    world.put(service("red/a", labels={"tier": "web"}), service("red/b"), service("sea/c", labels={"tier": "web"}))
    assert world.addresses("red/a") == ["192.0.2.0"]
    assert world.refusal("red/b").reason is RefusalReason.NO_POOL
    assert world.refusal("sea/c").reason is RefusalReason.NO_POOL


def test_selectors_that_match_nothing_let_nobody_in_even_who_asks() -> None:
    allocation = ServiceAllocation(namespace_selectors=(labelled("team", "nobody"),))
    world = World(pool("p", "192.0.2.0/24", allocation=allocation))
    world.put(service("a"), service("b", notes={"address-pool": "p"}), service("c", wanted="192.0.2.7"))
    assert world.refusal("a").reason is RefusalReason.NO_POOL
    assert world.refusal("b").reason is RefusalReason.POOL_NOT_ALLOWED
    assert world.refusal("c").reason is RefusalReason.POOL_NOT_ALLOWED


def test_a_namespace_s_new_label_lets_its_waiting_services_in_at_once() -> None:
    world = World(pool("p", "192.0.2.0/24", allocation=ServiceAllocation(namespace_selectors=(labelled("t", "1"),))))
    world.put(service("red/a"))
    assert world.namespaces(red={"t": "1"}) == {"a"}
    assert world.addresses("red/a") == ["192.0.2.0"]


# --- requests


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        (service("s", wanted="203.0.113.9"), RefusalReason.ADDRESS_OUTSIDE_POOLS, "203.0.113.9"),
        (service("s", wanted="192.0.2.0"), RefusalReason.ADDRESS_IN_USE, "Service default/a holds"),
        (service("s", wanted="2001:db8::1"), RefusalReason.FAMILY_MISMATCH, "IPv4"),
        (service("s", wanted="192.0.2.x"), RefusalReason.BAD_REQUEST, "192.0.2.x"),
        (service("s", notes={"loadBalancerIPs": "192.0.2.5"}, wanted="192.0.2.5"), RefusalReason.BAD_REQUEST, "both"),
        (service("s", notes={"loadBalancerIPs": "192.0.2.5,192.0.2.6"}), RefusalReason.BAD_REQUEST, "two addresses"),
        (service("s", notes={"loadBalancerIPs": " "}), RefusalReason.BAD_REQUEST, "empty"),
        (service("s", notes={"address-pool": "none"}), RefusalReason.UNKNOWN_POOL, "there are p"),
        (
            service("s", notes={"address-pool": "q", "loadBalancerIPs": "192.0.2.5"}),
            RefusalReason.BAD_REQUEST,
            "lies in p",
        ),
        (service("s", ips=()), RefusalReason.NO_CLUSTER_IP, "no cluster IP"),
        (service("s", policy=REQUIRE), RefusalReason.FAMILY_MISMATCH, "requires dual stack"),
        (service("s", ips=DUAL, policy=REQUIRE, wanted="192.0.2.5"), RefusalReason.FAMILY_MISMATCH, "IPv4 and IPv6"),
    ],
    ids=lambda value: value.value if isinstance(value, RefusalReason) else None,
)
def test_a_request_that_cannot_be_met_is_refused_with_its_reason(
    found: Service, reason: RefusalReason, words: str
) -> None:
    world = World(pool("p", "192.0.2.0/24"), pool("q", "198.51.100.0/24"))
    world.put(service("a"))
    world.put(found)
    refusal = world.refusal("s")
    assert refusal.reason is reason
    assert words in refusal.message
    assert "default/s" in refusal.message


def test_our_annotation_wins_over_metallb_s() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    found = service("a", notes={"loadBalancerIPs": "192.0.2.5"})
    both = {
        **found.annotations,
        "metallb.io/loadBalancerIPs": "192.0.2.6",
        "metallb.universe.tf/loadBalancerIPs": "192.0.2.7",
    }
    object.__setattr__(found, "annotations", both)
    world.put(found)
    assert world.addresses("a") == ["192.0.2.5"]


def test_who_waits_for_an_address_gets_it_as_soon_as_it_is_free() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", wanted="192.0.2.5"), service("b", wanted="192.0.2.5"))
    assert world.refusal("b").reason is RefusalReason.ADDRESS_IN_USE
    assert world.take(gone("a")) == {"b"}
    assert world.addresses("b") == ["192.0.2.5"]


def test_who_waits_for_an_address_gets_it_when_the_holder_moves_by_its_own_request() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("b", wanted="192.0.2.5"), service("a", wanted="192.0.2.5"))
    assert world.refusal("b")
    world.put(service("a", wanted="192.0.2.6"))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.6"], ["192.0.2.5"])


def test_two_services_may_swap_their_addresses_in_two_steps() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", wanted="192.0.2.1"), service("b", wanted="192.0.2.2"))
    world.put(service("a", wanted="192.0.2.2"))
    assert world.addresses("a") == ["192.0.2.1"]
    world.put(service("b", wanted="192.0.2.3"))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.2"], ["192.0.2.3"])


def test_a_changed_request_that_cannot_be_met_yet_keeps_what_the_service_has() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a"), service("b"))
    world.put(service("b", wanted="192.0.2.0"))
    outcome = world.of("b")
    assert isinstance(outcome, Assignment)
    assert (world.addresses("b"), outcome.reason) == (["192.0.2.1"], AssignedReason.REQUEST_UNSATISFIED)
    assert "default/a" in outcome.message
    world.take(gone("a"))
    assert world.addresses("b") == ["192.0.2.0"]


def test_a_request_that_became_unreadable_keeps_what_the_service_has() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a"))
    world.put(service("a", wanted="nonsense"))
    assert world.addresses("a") == ["192.0.2.0"]
    assert world.of("a").reason is AssignedReason.REQUEST_UNSATISFIED


def test_a_changed_pool_request_moves_the_service() -> None:
    world = World(pool("p", "192.0.2.0/24"), pool("q", "198.51.100.0/24"))
    world.put(service("a"))
    world.put(service("a", notes={"address-pool": "q"}))
    assert world.addresses("a") == ["198.51.100.0"]


# --- families


def test_require_dual_stack_takes_both_from_one_pool() -> None:
    world = World(
        pool("a", "192.0.2.0/24"), pool("b", "2001:db8::/64"), pool("c", "198.51.100.0/24", "2001:db8:1::/64")
    )
    world.put(service("x", ips=DUAL, policy=REQUIRE))
    assert world.addresses("x") == ["198.51.100.0", "2001:db8:1::"]


def test_require_dual_stack_without_such_a_pool_is_refused() -> None:
    world = World(pool("a", "192.0.2.0/24"), pool("b", "2001:db8::/64"))
    world.put(service("x", ips=DUAL, policy=REQUIRE))
    assert world.refusal("x").reason is RefusalReason.POOL_EXHAUSTED


def test_addresses_are_told_in_the_order_of_the_service_s_families() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.put(service("x", ips=(V6, V4), policy=REQUIRE))
    assert world.addresses("x") == ["2001:db8::", "192.0.2.0"]


def test_prefer_dual_stack_takes_the_primary_family_and_adds_the_second_later_from_the_same_pool() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("x", ips=DUAL, policy=PREFER))
    assert world.addresses("x") == ["192.0.2.0"]
    world.pools(pool("other", "2001:db8:9::/64"), pool("p", "192.0.2.0/24"))
    assert world.addresses("x") == ["192.0.2.0"], "never from another pool"
    world.pools(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    assert world.addresses("x") == ["192.0.2.0", "2001:db8::"]


def test_prefer_dual_stack_prefers_a_pool_that_can_give_both() -> None:
    world = World(pool("a", "192.0.2.0/24"), pool("b", "198.51.100.0/24", "2001:db8::/64"))
    world.put(service("x", ips=DUAL, policy=PREFER))
    assert world.addresses("x") == ["198.51.100.0", "2001:db8::"]


def test_a_service_changed_from_dual_to_single_keeps_the_right_one() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.put(service("x", ips=DUAL, policy=REQUIRE))
    world.put(service("x", ips=(V6,)))
    assert world.addresses("x") == ["2001:db8::"]


def test_a_service_changed_from_single_to_dual_keeps_its_address_and_gets_the_second() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.put(service("w"), service("x"))
    world.put(service("x", ips=DUAL, policy=REQUIRE))
    assert world.addresses("x") == ["192.0.2.1", "2001:db8::"]


# --- sharing

KEY = {"allow-shared-ip": "k"}


def test_services_with_one_key_gather_on_one_address_while_ports_allow() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)), service("c", notes=KEY, ports=(80,)))
    assert [world.addresses(name)[0] for name in "abc"] == ["192.0.2.0", "192.0.2.0", "192.0.2.1"]


@pytest.mark.parametrize(
    "other",
    [
        service("b", notes={"allow-shared-ip": "other"}, ports=(81,), wanted="192.0.2.0"),
        service("b", notes=KEY, ports=(80,), wanted="192.0.2.0"),
        service("b", notes=KEY, ports=(81,), local={"app": "y"}, wanted="192.0.2.0"),
    ],
    ids=["another key", "the same port", "another policy"],
)
def test_an_address_is_shared_only_by_those_who_fit(other: Service) -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", notes=KEY))
    world.put(other)
    assert world.refusal("b").reason is RefusalReason.SHARING_CONFLICT
    assert world.addresses("a") == ["192.0.2.0"]


def test_local_services_share_with_the_same_selector_only() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(
        service("a", notes=KEY, local={"app": "x"}),
        service("b", notes=KEY, local={"app": "x"}, ports=(81,)),
        service("c", notes=KEY, local={"app": "y"}, ports=(82,)),
    )
    assert [world.addresses(name)[0] for name in "abc"] == ["192.0.2.0", "192.0.2.0", "192.0.2.1"]


@pytest.mark.parametrize(
    ("scope", "expected"), [(SharingScope.NAMESPACE, "192.0.2.1"), (SharingScope.CLUSTER, "192.0.2.0")]
)
def test_the_pool_says_whether_another_namespace_may_share(scope: SharingScope, expected: str) -> None:
    world = World(pool("p", "192.0.2.0/24", scope=scope))
    world.put(service("red/a", notes=KEY), service("sea/b", notes=KEY, ports=(81,)))
    assert world.addresses("sea/b") == [expected]


def test_a_place_that_was_no_good_before_is_found_when_a_port_comes_free_there() -> None:
    for freed in (gone("a"), ServiceChanged(service("a", notes=KEY, ports=(82,)))):
        world = World(pool("p", "192.0.2.0/24"))
        world.put(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)), service("c", notes=KEY))
        assert world.addresses("c") == ["192.0.2.1"]
        world.take(freed)
        world.put(service("d", notes=KEY))
        assert world.addresses("d") == ["192.0.2.0"]


def test_a_place_that_was_no_good_before_is_found_when_the_pool_lets_other_namespaces_in() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("red/a", notes=KEY), service("sea/b", notes=KEY, ports=(81,)))
    assert world.addresses("sea/b") == ["192.0.2.1"]
    world.pools(pool("p", "192.0.2.0/24", scope=SharingScope.CLUSTER))
    world.put(service("sea/c", notes=KEY, ports=(81, 82)))
    assert world.addresses("sea/c") == ["192.0.2.0"]


def test_a_place_that_was_no_good_before_is_found_when_it_lies_in_the_pool() -> None:
    asks = {**KEY, "address-pool": "q"}
    world = World(pool("p", "192.0.2.0/31"), pool("q", "192.0.2.2/31"))
    world.put(service("a", notes=KEY), service("b", notes=asks, ports=(81,)))
    assert world.addresses("b") == ["192.0.2.2"]
    world.pools(pool("q", "192.0.2.0/30"))
    world.put(service("c", notes=asks, ports=(81, 82)))
    assert world.addresses("c") == ["192.0.2.0"]


def test_a_place_that_was_no_good_before_is_found_when_the_foreign_host_is_silent() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", notes={**KEY, "loadBalancerIPs": "192.0.2.0"}))
    world.quarantine("192.0.2.0")
    world.put(service("b", notes=KEY, ports=(81,)))
    assert world.addresses("b") == ["192.0.2.1"]
    world.quarantine()
    world.put(service("c", notes=KEY, ports=(81,)))
    assert world.addresses("c") == ["192.0.2.0"]


def test_a_sharer_that_becomes_incompatible_moves_and_the_others_stay() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("b", notes=KEY), service("a", notes=KEY, ports=(81,)))
    world.put(service("a", notes=KEY, ports=(80,)))
    assert (world.addresses("b"), world.addresses("a")) == (["192.0.2.0"], ["192.0.2.1"])


def test_when_one_of_two_sharers_goes_the_other_keeps_the_address() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)))
    world.take(gone("a"))
    assert world.addresses("b") == ["192.0.2.0"]
    world.put(service("c"))
    assert world.addresses("c") == ["192.0.2.1"]


# --- stability


def test_what_the_status_says_is_kept_whatever_the_order_of_the_list() -> None:
    first, second = service("a", held=("192.0.2.7",)), service("b")
    for order in ([first, second], [second, first]):
        world = World(pool("p", "192.0.2.7-192.0.2.8"))
        world.put(*order)
        assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.7"], ["192.0.2.8"])


def test_zero_pools_at_the_start_clear_nothing() -> None:
    world = World()
    world.put(service("a", held=("192.0.2.7",)))
    assert world.addresses("a") == ["192.0.2.7"]
    assert world.of("a").reason is AssignedReason.ADDRESS_NOT_IN_POOL
    world.pools(pool("p", "192.0.2.0/24"))
    assert world.of("a").reason is AssignedReason.ASSIGNED


def test_a_pool_edit_moves_no_live_address_and_tells_how_to_move_it() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a"))
    world.pools(pool("p", "198.51.100.0/24"))
    outcome = world.of("a")
    assert (world.addresses("a"), outcome.reason) == (["192.0.2.0"], AssignedReason.ADDRESS_NOT_IN_POOL)
    assert "is kept" in outcome.message
    world.put(service("a", notes={"address-pool": "p"}))
    assert world.addresses("a") == ["198.51.100.0"]


def test_an_address_of_a_deleted_pool_stays_reserved() -> None:
    world = World(pool("p", "192.0.2.0/32"))
    world.put(service("a"))
    world.pools()
    world.pools(pool("q", "192.0.2.0/32"))
    world.put(service("b"))
    assert world.addresses("a") == ["192.0.2.0"]
    assert world.refusal("b").reason is RefusalReason.POOL_EXHAUSTED


def test_reassign_gives_a_stranded_service_another_address_in_one_step() -> None:
    world = World(pool("p", "192.0.2.0/24"), settings=AllocationSettings(stranded=Stranded.REASSIGN))
    world.put(service("a"))
    world.pools(pool("p", "198.51.100.0/24"))
    assert world.addresses("a") == ["198.51.100.0"]


def test_splitting_and_renaming_pools_keeps_addresses() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a"), service("b"), service("c"))
    before = {name: world.addresses(name) for name in "abc"}
    world.pools(pool("left", "192.0.2.0/31"), pool("right", "192.0.2.2/31"))
    assert {name: world.addresses(name) for name in "abc"} == before
    assert world.of("c").pools == ("right",)  # type: ignore[union-attr]


def test_two_services_whose_statuses_claim_one_address_the_older_keeps_it() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("b", held=("192.0.2.5",)), service("a", held=("192.0.2.5",)))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.5"], ["192.0.2.0"])


def test_a_service_made_again_under_the_same_name_is_another_service() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", wanted="192.0.2.9"))
    anew = service("a")
    object.__setattr__(anew, "uid", "another")
    world.put(anew)
    assert world.addresses("a") == ["192.0.2.0"]


# --- retry


def test_a_pending_service_gets_its_address_when_its_pool_grows() -> None:
    world = World(pool("p", "192.0.2.0/32"))
    world.put(service("a"), service("b"))
    assert world.refusal("b").reason is RefusalReason.POOL_EXHAUSTED
    assert world.pools(pool("p", "192.0.2.0/31")) == {"b"}
    assert world.addresses("b") == ["192.0.2.1"]


def test_a_release_wakes_only_those_who_wait_for_it() -> None:
    world = World(pool("p", "192.0.2.0/31"), pool("q", "198.51.100.0/32"))
    world.put(service("a", notes={"address-pool": "p"}), service("b", notes={"address-pool": "q"}))
    world.put(service("c", notes={"address-pool": "q"}), service("d", notes={"address-pool": "p"}))
    assert world.take(gone("b")) == {"c"}


def test_an_unchanged_service_is_not_planned_again() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a"))
    world.outcomes.clear()
    world.put(service("a", held=("192.0.2.0",)))
    assert not world.outcomes


def test_releases_in_one_batch_serve_as_many_as_wait_the_oldest_first() -> None:
    world = World(pool("p", "192.0.2.0/31"))
    world.put(service("a"), service("b"), service("e"), service("d"), service("c"))
    for name in "ab":
        world.ledger.apply(gone(name))
    assert world.settle() == {"c", "d"}
    assert (world.addresses("c"), world.addresses("d")) == (["192.0.2.0"], ["192.0.2.1"])
    assert world.refusal("e").reason is RefusalReason.POOL_EXHAUSTED


def test_one_release_asks_one_of_many_who_wait() -> None:
    world = World(pool("p", "192.0.2.0/32"))
    world.put(*(service(f"s{number:03}") for number in range(100)))
    assert world.take(gone("s000")) == {"s001"}


def test_who_needs_both_families_does_not_stand_in_the_way_of_who_needs_one() -> None:
    world = World(pool("p", "192.0.2.0/32", "2001:db8::/128"))
    world.put(service("a"), service("b", ips=(V6,)))
    world.put(service("c", ips=DUAL, policy=REQUIRE), service("d"))
    assert world.take(gone("a")) == {"c", "d"}
    assert world.addresses("d") == ["192.0.2.0"]
    assert world.refusal("c").reason is RefusalReason.POOL_EXHAUSTED


def test_who_waits_for_a_shared_address_hears_when_a_port_comes_free() -> None:
    world = World(pool("p", "192.0.2.0/32"))
    world.put(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)), service("c", notes=KEY))
    assert world.refusal("c").reason is RefusalReason.POOL_EXHAUSTED
    world.put(service("a", notes=KEY, ports=(82,)))
    assert world.addresses("c") == ["192.0.2.0"]


# --- pools that change under a request for them


def test_a_pool_that_is_split_keeps_those_who_asked_for_it_by_name_also_over_a_restart() -> None:
    notes = {"address-pool": "p"}
    world = World(pool("p", "192.0.2.0/30"))
    world.put(*(service(name, notes=notes) for name in "abc"))
    split = (pool("p", "192.0.2.0/31"), pool("q", "192.0.2.2/31"))
    world.pools(*split)
    assert world.addresses("c") == ["192.0.2.2"]
    assert world.of("c") == Assignment(world.of("c").numbers, ("p",))  # type: ignore[union-attr]
    anew = World(*split)
    anew.put(service("c", notes={**notes, "assigned-from-pool": "p"}, held=("192.0.2.2",)))
    assert anew.addresses("c") == ["192.0.2.2"]


def test_a_shrunk_pool_keeps_those_who_asked_for_it_by_name() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a", notes={"address-pool": "p"}))
    world.pools(pool("p", "198.51.100.0/30"))
    assert (world.addresses("a"), world.of("a").reason) == (["192.0.2.0"], AssignedReason.ADDRESS_NOT_IN_POOL)


def test_a_request_for_the_pool_of_before_moves_who_was_not_assigned_by_request() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a"))
    world.pools(pool("q", "192.0.2.0/30"), pool("p", "198.51.100.0/30"))
    world.put(service("a", notes={"address-pool": "p"}))
    assert world.addresses("a") == ["198.51.100.0"]


def test_a_pool_request_that_is_half_met_is_not_taken_for_met_after_a_restart() -> None:
    pools = (pool("p", "192.0.2.0/32"), pool("q", "2001:db8::/64"))
    found = service("a", ips=DUAL, policy=REQUIRE, held=("192.0.2.0", "2001:db8::"), notes={"address-pool": "p"})
    world = World(*pools)
    world.put(found)
    assert world.of("a").reason is AssignedReason.REQUEST_UNSATISFIED
    patch = effects(found, world.of("a"))[0]
    assert isinstance(patch, PatchStatus)
    anew = World(*pools)
    anew.put(replace(found, annotations={**found.annotations, **patch.annotations}))
    assert anew.of("a") == world.of("a")


def test_who_waits_for_two_addresses_is_told_what_stands_in_the_way_now() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.quarantine("192.0.2.7")
    world.put(service("a", ips=DUAL, policy=REQUIRE, notes={"loadBalancerIPs": "2001:db8::7,192.0.2.7"}))
    assert world.refusal("a").reason is RefusalReason.ADDRESS_CONFLICT
    world.put(service("b", ips=(V6,), wanted="2001:db8::7"))
    assert world.refusal("a").reason is RefusalReason.ADDRESS_IN_USE


def test_who_claims_in_vain_what_it_asks_for_is_told_who_has_it() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.quarantine("192.0.2.7")
    asked = {"loadBalancerIPs": "2001:db8::1,192.0.2.7"}
    world.put(
        service("a", ips=DUAL, policy=REQUIRE, held=("2001:db8::", "2001:db8::1"), notes=asked),
        service("b", ips=(V6,), held=("2001:db8::1",)),
    )
    assert world.addresses("b") == ["2001:db8::1"]
    assert "which Service default/b holds" in world.of("a").message


def test_a_grown_pool_wakes_only_those_who_wait() -> None:
    world = World(pool("p", "192.0.2.0/31"))
    world.put(service("a"), service("b"), service("c"))
    assert world.pools(pool("p", "192.0.2.0/30")) == {"c"}


def test_reassign_keeps_a_stranded_address_until_another_can_be_given() -> None:
    world = World(pool("p", "192.0.2.0/24"), settings=AllocationSettings(stranded=Stranded.REASSIGN))
    world.put(service("a"))
    world.pools()
    assert (world.addresses("a"), world.of("a").reason) == (["192.0.2.0"], AssignedReason.ADDRESS_NOT_IN_POOL)
    world.pools(pool("p", "198.51.100.0/24"))
    assert world.addresses("a") == ["198.51.100.0"]


def test_reassign_moves_a_service_that_its_pool_no_longer_lets_in() -> None:
    pinned = ServiceAllocation(service_selectors=(labelled("tier", "web"),))
    world = World(pool("p", "192.0.2.0/24"), settings=AllocationSettings(stranded=Stranded.REASSIGN))
    world.put(service("a"))
    world.pools(pool("p", "192.0.2.0/24", allocation=pinned), pool("q", "198.51.100.0/24"))
    assert world.addresses("a") == ["198.51.100.0"]


# --- addresses that a foreign host answers for


def test_an_address_in_conflict_is_given_to_nobody_new() -> None:
    world = World(pool("p", "192.0.2.0/31"))
    world.quarantine("192.0.2.0")
    world.put(service("a"), service("b"), service("c", wanted="192.0.2.0"))
    assert world.addresses("a") == ["192.0.2.1"]
    assert world.refusal("b").reason is RefusalReason.POOL_EXHAUSTED
    assert world.refusal("c").reason is RefusalReason.ADDRESS_CONFLICT
    assert world.quarantine() == {"b", "c"}
    assert world.addresses("b") == ["192.0.2.0"]
    assert world.refusal("c").reason is RefusalReason.ADDRESS_IN_USE


def test_a_holder_in_conflict_moves_in_one_step() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a"), service("b"))
    assert world.quarantine("192.0.2.0") == {"a"}
    outcome = world.of("a")
    assert isinstance(outcome, Assignment)
    assert (world.addresses("a"), [str(address_of(number)) for number in outcome.moved]) == (
        ["192.0.2.2"],
        ["192.0.2.0"],
    )
    assert outcome.reason is AssignedReason.ASSIGNED


def test_a_holder_in_conflict_that_asked_for_the_address_keeps_it_and_is_told() -> None:
    world = World(pool("p", "192.0.2.0/30"))
    world.put(service("a", wanted="192.0.2.0"))
    world.quarantine("192.0.2.0")
    assert (world.addresses("a"), world.of("a").reason) == (["192.0.2.0"], AssignedReason.ADDRESS_CONFLICT)
    assert "asks for exactly this address" in world.of("a").message
    world.quarantine()
    assert world.of("a").reason is AssignedReason.ASSIGNED


def test_a_holder_in_conflict_without_another_address_keeps_it_until_there_is_one() -> None:
    world = World(pool("p", "192.0.2.0/31"))
    world.put(service("a"), service("b"))
    world.quarantine("192.0.2.0")
    assert (world.addresses("a"), world.of("a").reason) == (["192.0.2.0"], AssignedReason.ADDRESS_CONFLICT)
    assert world.take(gone("b")) == {"a"}
    assert world.addresses("a") == ["192.0.2.1"]


def test_sharers_in_conflict_move_together() -> None:
    world = World(pool("p", "192.0.2.0/24"))
    world.put(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)))
    world.quarantine("192.0.2.0")
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.1"], ["192.0.2.1"])


def test_of_two_addresses_only_the_one_in_conflict_changes() -> None:
    world = World(pool("p", "192.0.2.0/24", "2001:db8::/64"))
    world.put(service("a", ips=DUAL, policy=REQUIRE))
    world.quarantine("192.0.2.0")
    assert world.addresses("a") == ["192.0.2.1", "2001:db8::"]


def test_the_address_beside_one_in_conflict_does_not_move_to_another_pool() -> None:
    world = World(pool("p", "192.0.2.0/32", "2001:db8::/64"), pool("q", "198.51.100.0/24", "2001:db8:1::/64"))
    world.put(service("a", ips=DUAL, policy=REQUIRE))
    world.quarantine("192.0.2.0")
    assert world.addresses("a") == ["192.0.2.0", "2001:db8::"]
    assert world.of("a").reason is AssignedReason.ADDRESS_CONFLICT
    world.pools(pool("p", "192.0.2.0/31", "2001:db8::/64"))
    assert world.addresses("a") == ["192.0.2.1", "2001:db8::"]

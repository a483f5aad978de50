"""Sharers that changed while no controller ran: who did not change is vouched for by its digest, and stays."""

from dataclasses import replace
from itertools import permutations

import pytest

from lb_controller.allocation.effects import PatchStatus, effects, release
from lb_controller.allocation.sharing import Terms
from lb_controller.model.cluster import Port, Service
from tests.support.allocation import World, pool, service

KEY = {"allow-shared-ip": "k"}
DIGEST = "heraldlb.io/sharing-digest"


def written(*services: Service) -> list[Service]:
    """The Services as they stand in the API after a controller gave them addresses."""
    world = World(pool("p", "192.0.2.0/24"))
    world.put(*services)
    return [as_written(world, found) for found in services]


def as_written(world: World, found: Service) -> Service:
    patches = [effect for effect in effects(found, world.of(found.key.name)) if isinstance(effect, PatchStatus)]
    for patch in patches:
        assert patch.condition is not None
        notes = {name: text for name, text in found.annotations.items() if name != DIGEST}
        found = replace(
            found, ingress=patch.ingress, conditions=(patch.condition,), annotations={**notes, **patch.annotations}
        )
    return found


def with_port(found: Service, port: int) -> Service:
    return replace(found, ports=(Port("TCP", port),))


@pytest.mark.parametrize("changed", ["a", "b", "c"])
def test_of_three_the_one_that_changed_moves_whatever_its_age_and_the_order_of_the_list(changed: str) -> None:
    trio = written(*(service(name, notes=KEY, ports=(80 + n,)) for n, name in enumerate("abc")))
    clash = {"a": 81, "b": 82, "c": 80}[changed]
    found = [with_port(one, clash) if one.key.name == changed else one for one in trio]
    for order in permutations(found):
        world = World(pool("p", "192.0.2.0/24"))
        world.put(*order)
        moved = [name for name in "abc" if world.addresses(name) != ["192.0.2.0"]]
        assert moved == [changed]


def test_of_two_that_both_changed_the_older_stays() -> None:
    pair = written(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)))
    world = World(pool("p", "192.0.2.0/24"))
    world.put(*(with_port(one, 99) for one in pair))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.0"], ["192.0.2.1"])


def test_one_whose_digest_was_lost_stays_where_it_fits() -> None:
    pair = written(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)))
    bare = [replace(one, annotations={k: v for k, v in one.annotations.items() if k != DIGEST}) for one in pair]
    world = World(pool("p", "192.0.2.0/24"))
    world.put(bare[0], pair[1])
    assert world.addresses("a") == world.addresses("b") == ["192.0.2.0"]
    assert as_written(world, bare[0]).annotations[DIGEST] == pair[0].annotations[DIGEST]


def test_one_that_vouches_for_itself_and_changes_before_it_is_decided_gives_way() -> None:
    pair = written(service("a", notes=KEY), service("b", notes=KEY, ports=(81,)))
    world = World()
    world.put(*pair)
    world.put(with_port(pair[0], 81))
    world.pools(pool("p", "192.0.2.0/24"))
    assert (world.addresses("a"), world.addresses("b")) == (["192.0.2.1"], ["192.0.2.0"])


def test_the_digest_comes_with_the_address_changes_with_the_terms_and_goes_with_the_key() -> None:
    [alone] = written(service("a"))
    assert DIGEST not in alone.annotations
    [sharer] = written(service("a", notes=KEY))
    world = World(pool("p", "192.0.2.0/24"))
    changed = with_port(sharer, 81)
    world.put(changed)
    again = as_written(world, changed)
    assert again.ingress == sharer.ingress
    assert again.annotations[DIGEST] not in ("", sharer.annotations[DIGEST])
    without = replace(again, annotations={k: v for k, v in again.annotations.items() if "shared" not in k})
    world.put(without)
    assert DIGEST not in as_written(world, without).annotations
    [patch] = release(again)
    assert isinstance(patch, PatchStatus)
    assert patch.annotations == {}


def test_the_digest_is_the_same_for_every_process_and_says_all_that_counts() -> None:
    terms = Terms("k", (("app", "x"),), frozenset({Port("TCP", 80), Port("UDP", 53)}))
    assert terms.digest([2, 1]) == terms.digest((1, 2)) == "ed7be73f57e78572"
    others = [replace(terms, key="m"), replace(terms, backend=None), replace(terms, ports=frozenset({Port("TCP", 80)}))]
    digests = {terms.digest([1]), terms.digest([1, 2]), *(other.digest([1]) for other in others)}
    assert len(digests) == 5
    assert Terms("", None, terms.ports).digest([1]) == ""

"""News by watch, list and answer, in any order: the later one counts."""

import itertools

import pytest

from lb_controller.app.observed import Key, Observed, Sighting

A: Key = ("ns", "a")
B: Key = ("ns", "b")


def sight(key: Key, version: int) -> Sighting[str]:
    return Sighting(key, version, f"{key[1]}{version}")


def known(**versions: int) -> Observed[str]:
    observed = Observed[str]()
    observed.take_list([sight(("ns", name), version) for name, version in versions.items()], 10)
    return observed


def test_older_news_never_overwrites_newer() -> None:
    observed = known(a=5)
    assert observed.see(sight(A, 12)) == [A]
    assert observed.see(sight(A, 12)) == []
    assert observed.see(sight(A, 11)) == []
    assert observed.get(A) == "a12"


def test_a_deleted_object_is_not_revived_by_older_news_but_by_newer() -> None:
    observed = known(a=5)
    assert observed.lose(A, 12) == [A]
    assert observed.see(sight(A, 11)) == []
    assert observed.take_list([sight(A, 11)], 11) == []
    assert observed.see(sight(A, 13)) == [A]


def test_an_old_deletion_does_not_remove_a_newer_object() -> None:
    observed = known(a=5)
    observed.see(sight(A, 15))
    assert observed.lose(A, 12) == []
    assert observed.get(A) == "a15"


def test_a_list_finds_deletions_that_no_watch_reported() -> None:
    observed = known(a=5, b=6)
    assert observed.take_list([sight(A, 5)], 20) == [B]
    assert observed.get(B) is None


def test_a_list_does_not_delete_what_is_newer_than_itself() -> None:
    observed = known(a=5)
    observed.see(sight(B, 25))
    assert observed.take_list([sight(A, 5)], 20) == []
    assert observed.get(B) == "b25"


def test_an_object_older_than_the_list_that_lacked_it_is_stale_news() -> None:
    observed = known(a=5)
    assert observed.see(sight(B, 9)) == []
    assert observed.see(sight(B, 11)) == [B]


def test_an_object_in_a_list_that_cannot_be_read_is_not_deleted() -> None:
    observed = known(a=5, b=6)
    assert observed.take_list([sight(A, 5)], 20, unread=[B]) == []
    assert observed.get(B) == "b6"


def test_versions_that_run_backwards_mean_a_restored_backup_and_the_list_is_the_truth() -> None:
    observed = known(a=9, b=8)
    assert sorted(observed.take_list([sight(A, 3)], 4)) == [A, B]
    assert observed.get(A) == "a3"
    assert observed.see(sight(A, 5)) == [A]


def test_a_list_of_nothing_counts_as_listed() -> None:
    observed = Observed[str]()
    assert not observed.listed_once
    observed.take_list([], 0)
    assert observed.listed_once


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_the_same_news_ends_in_the_same_state(order: tuple[int, ...]) -> None:
    observed = Observed[str]()
    news = [
        lambda: observed.see(sight(A, 21)),
        lambda: observed.see(sight(A, 23)),
        lambda: observed.lose(B, 24),
        lambda: observed.take_list([sight(A, 21), sight(B, 20)], 22),
    ]
    for number in order:
        news[number]()
    assert observed.get(A) == "a23"
    assert observed.get(B) is None

"""Which addresses are new on the link."""

from lb_controller.model.address import parse_address
from speaker.decide.newcomers import NEW_SECONDS, Newcomers

A, B = parse_address("192.0.2.1"), parse_address("192.0.2.2")


def test_what_was_there_at_the_start_is_not_new_and_what_comes_later_is() -> None:
    new = Newcomers()
    new.changed({A}, 0.0, first=True)
    new.changed({A, B}, 5.0, first=False)
    assert not new.fresh(A, 5.0)
    assert new.fresh(B, 5.0)


def test_an_address_is_new_for_a_while_only() -> None:
    new = Newcomers()
    new.changed(set(), 0.0, first=True)
    new.changed({A}, 5.0, first=False)
    assert new.fresh(A, 5.0 + NEW_SECONDS - 1)
    assert not new.fresh(A, 5.0 + NEW_SECONDS)


def test_an_address_that_went_and_comes_again_is_new_again() -> None:
    new = Newcomers()
    new.changed({A}, 0.0, first=True)
    new.changed(set(), 5.0, first=False)
    assert not new.fresh(A, 5.0)
    new.changed({A}, 6.0, first=False)
    assert new.fresh(A, 6.0)

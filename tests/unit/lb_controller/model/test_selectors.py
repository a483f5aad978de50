"""Label selectors: Kubernetes' meaning, operator by operator."""

import pytest

from lb_controller.model.selectors import LabelSelector, Operator, Requirement, any_matches

LABELS = {"app": "web", "tier": ""}


@pytest.mark.parametrize(
    ("requirement", "answer"),
    [
        (Requirement("app", Operator.IN, frozenset({"web", "db"})), True),
        (Requirement("app", Operator.IN, frozenset({"db"})), False),
        (Requirement("other", Operator.IN, frozenset({"web"})), False),
        (Requirement("tier", Operator.IN, frozenset({""})), True),
        (Requirement("other", Operator.IN, frozenset({""})), False),
        (Requirement("app", Operator.NOT_IN, frozenset({"web"})), False),
        (Requirement("app", Operator.NOT_IN, frozenset({"db"})), True),
        (Requirement("other", Operator.NOT_IN, frozenset({"web"})), True),
        (Requirement("tier", Operator.EXISTS), True),
        (Requirement("other", Operator.EXISTS), False),
        (Requirement("other", Operator.DOES_NOT_EXIST), True),
        (Requirement("tier", Operator.DOES_NOT_EXIST), False),
    ],
)
def test_a_requirement_matches_as_in_kubernetes(requirement: Requirement, answer: bool) -> None:
    assert requirement.matches(LABELS) is answer


def test_all_requirements_must_hold() -> None:
    app, other = Requirement("app", Operator.EXISTS), Requirement("other", Operator.EXISTS)
    assert LabelSelector((app,)).matches(LABELS)
    assert not LabelSelector((app, other)).matches(LABELS)


def test_an_empty_selector_matches_everything() -> None:
    assert LabelSelector().matches({})


def test_of_a_list_one_match_suffices_and_an_empty_list_matches_nothing() -> None:
    never = LabelSelector((Requirement("other", Operator.EXISTS),))
    assert any_matches([never, LabelSelector()], LABELS)
    assert not any_matches([never], LABELS)
    assert not any_matches([], LABELS)

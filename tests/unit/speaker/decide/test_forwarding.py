"""kube-proxy's health as a verdict on the node: patient, and never a blackout where there is no kube-proxy."""

import pytest

from speaker.decide.forwarding import Answer, Forwarding

H, U, S = Answer.HEALTHY, Answer.UNHEALTHY, Answer.SILENT


def after(*answers: tuple[float, Answer], at: float, wait: float = 5.0) -> str | None:
    forwarding = Forwarding(wait, 0.0)
    for now, answer in answers:
        forwarding.note(answer, now)
    return forwarding.obstacle(at)


def undecided(*answers: tuple[float, Answer], at: float) -> bool:
    forwarding = Forwarding(5.0, 0.0)
    for now, answer in answers:
        forwarding.note(answer, now)
    return forwarding.undecided(at)


def test_a_node_that_was_never_asked_is_undecided_and_has_no_obstacle() -> None:
    assert undecided(at=0.0)
    assert after(at=0.0) is None


def test_the_first_healthy_answer_decides() -> None:
    assert not undecided((0.5, S), (1.5, H), at=1.5)
    assert after((0.5, S), (1.5, H), at=1.5) is None


def test_without_any_kube_proxy_the_wait_ends_by_itself() -> None:
    assert undecided((1.0, S), (4.0, S), at=4.9)
    assert not undecided((1.0, S), (4.0, S), at=5.0)
    assert after((1.0, S), (4.0, S), at=5.0) is None


def test_a_kube_proxy_that_was_never_healthy_keeps_the_node_out() -> None:
    assert after((1.0, U), at=5.0) == "has a kube-proxy that is not healthy"


@pytest.mark.parametrize(("answer", "patience"), [(U, 3.0), (S, 15.0)])
def test_a_healthy_node_is_given_time(answer: Answer, patience: float) -> None:
    told = ((1.0, H), (10.0, H), (11.0, answer), (10.0 + patience / 2, answer))
    assert after(*told, at=10.0 + patience - 0.01) is None
    assert after(*told, at=10.0 + patience) is not None


def test_one_good_answer_starts_the_patience_anew() -> None:
    assert after((1.0, H), (10.0, U), (12.0, H), (12.5, U), at=14.0) is None


def test_changing_bad_answers_do_not_start_the_patience_anew() -> None:
    assert after((10.0, H), (11.0, U), (12.0, S), (13.0, U), at=13.0) == "has a kube-proxy that is not healthy"


def test_a_node_that_became_unable_is_able_again_at_once() -> None:
    assert after((1.0, H), (10.0, U), (20.0, U), (21.0, H), at=21.0) is None

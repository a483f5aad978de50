"""Random faults: the fast suite runs a few seeds, `make simulate` as many as one likes."""

import pytest

from tests.property.simulation.families import run


@pytest.mark.parametrize("seed", range(1, 31))
@pytest.mark.parametrize("family", ["mixed", "calm"])
def test_no_seed_breaks_an_invariant(family: str, seed: int) -> None:
    outcome = run(family, seed)
    assert not outcome.broken, "\n".join(map(str, [*outcome.story, *outcome.broken]))


def test_a_seed_replays_exactly() -> None:
    assert run("mixed", 7) == run("mixed", 7)


@pytest.mark.parametrize("seed", [484, 20068])
def test_a_node_that_meets_a_peer_again_does_not_hold_itself_for_unheard(seed: int) -> None:
    outcome = run("calm", seed)
    assert not outcome.broken, "\n".join(map(str, [*outcome.story, *outcome.broken]))

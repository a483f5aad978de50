"""Who else runs: known from pods, gone only after a while."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from lb_controller.kube.client import Api
from lb_controller.kube.rivals import RivalWatch
from lb_controller.model import wire
from lb_controller.model.cluster import Contest, Rival, Service, ServiceKey
from lb_controller.model.parse import core


def pod(phase: str, *arguments: str) -> Rival:
    body = {"metadata": {"name": "c", "namespace": "m"}, "status": {"phase": phase}}
    spec: dict[str, Any] = {"containers": [{"args": list(arguments)}, {}]}
    return core.rival(msgspec.convert({**body, "spec": spec}, wire.Pod))


PODS = [
    (pod("Running"), Rival("m/c")),
    (pod("Running", "--port=7472", "--lb-class=theirs"), Rival("m/c", "theirs")),
    (pod("Running", "--lb-class="), Rival("m/c")),
    (pod("Pending"), Rival("m/c", running=False)),
    (pod("Failed"), Rival("m/c", running=False)),
]


@pytest.mark.parametrize(("found", "expected"), PODS)
def test_a_pod_says_whether_it_runs_and_which_class_it_serves(found: Rival, expected: Rival) -> None:
    assert found == expected


@pytest.mark.parametrize(("theirs", "ours", "contested"), [(None, None, True), (None, "a", False), ("a", "a", True)])
def test_a_service_is_contested_by_its_class(theirs: str | None, ours: str | None, contested: bool) -> None:
    service = Service(key=ServiceKey("n", "s"), uid="u", load_balancer_class=ours)
    assert Contest(frozenset({Rival("m/c", theirs)})).over(service) is contested
    assert not Contest().over(service)


def test_a_rival_counts_at_once_and_is_gone_only_after_the_grace() -> None:
    async def main() -> list[int]:
        seen: list[int] = []
        watch = RivalWatch(cast(Api, None), ("controller",), lambda: seen.append(len(watch.contest.rivals)), grace=0.1)
        watch._take(("m", "a"), Rival("m/a"))
        watch._take(("m", "a"), None)
        watch._take(("m", "b"), Rival("m/b"))  # the next one of a rolling update
        await asyncio.sleep(0.2)
        assert watch.contest.names == ["m/b"]
        watch._take(("m", "b"), Rival("m/b", running=False))
        assert watch.contest.names == ["m/b"]
        await asyncio.sleep(0.2)
        assert watch.contest == Contest()
        return seen

    assert asyncio.run(main()) == [1, 1, 0]

"""When the inputs are complete, and which Services count."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from lb_controller.kube.errors import NotFound
from lb_controller.model import names
from lb_controller.model.cluster import ServiceKey
from lb_controller.runtime.tasks import Tasks
from speaker.app.inputs import Inputs
from speaker.decide.decider import Decider

COMMUNITIES = "/apis/heraldlb.io/v1beta1/communities"
SERVICES = "/api/v1/services"


class Lists:
    """Stands where the API server stands: path -> items; a path in `missing` does not exist; watches stay silent."""

    def __init__(self, **items: list[dict[str, Any]]) -> None:
        self.items = {SERVICES: items.get("services", [])}
        self.missing: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.queries: dict[str, Any] = {}

    async def get(self, path: str, query: Any = None) -> bytes:
        self.queries[path] = query
        if path in self.held:
            await self.held[path].wait()
        if path in self.missing:
            raise NotFound(path, 404, "not found")
        return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": self.items.get(path, [])})

    @asynccontextmanager
    async def watch(self, *_: object, **__: object) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        async def silence() -> AsyncIterator[list[bytes]]:
            await asyncio.get_running_loop().create_future()
            yield []

        yield silence()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def running(lists: Lists, work: Callable[[Inputs, list[list[str]]], Awaitable[None]]) -> None:
    """Run `work` beside the inputs; its second argument holds what was missing at each change."""

    async def main() -> None:
        told: list[list[str]] = []
        inputs = Inputs(
            lists,  # type: ignore[arg-type]
            Decider("n1"),
            lambda service: service.load_balancer_class is None,
            lambda: told.append(inputs.missing()),
        )
        async with Tasks(grace=1) as tasks:
            inputs.start(tasks)
            await work(inputs, told)

    asyncio.run(main())


def test_the_last_list_wakes_the_decision_though_it_is_empty() -> None:
    lists = Lists()

    async def work(inputs: Inputs, told: list[list[str]]) -> None:
        lists.held[COMMUNITIES] = asyncio.Event()
        await until(lambda: inputs.missing() == ["communities.heraldlb.io"])
        assert told == [], "nothing changed yet"
        lists.held[COMMUNITIES].set()
        await until(lambda: told == [[]])

    running(lists, work)


def test_a_kind_that_is_not_installed_holds_nothing_up() -> None:
    lists = Lists()
    lists.missing = {f"/apis/heraldlb.io/v1beta1/{plural}" for plural in names.PLURALS.values()}

    async def work(inputs: Inputs, told: list[list[str]]) -> None:
        await until(lambda: told == [[]])

    running(lists, work)


def test_only_load_balancers_are_asked_for_and_only_our_services_are_taken() -> None:
    def service(name: str, **spec: str) -> dict[str, Any]:
        ingress = [{"ip": "192.0.2.1"}, {"hostname": "example.com"}]
        return {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "LoadBalancer", **spec},
            "status": {"loadBalancer": {"ingress": ingress}},
        }

    lists = Lists(services=[service("ours"), service("theirs", loadBalancerClass="example.com/other")])

    async def work(inputs: Inputs, told: list[list[str]]) -> None:
        await until(lambda: bool(told) and told[-1] == [])
        assert list(inputs.decider.cluster.services) == [ServiceKey("default", "ours")]
        assert lists.queries[SERVICES]["fieldSelector"] == "spec.type=LoadBalancer"

    running(lists, work)


def test_a_bad_object_is_a_problem_and_the_others_are_used() -> None:
    path = "/apis/heraldlb.io/v1beta1/l2advertisements"
    lists = Lists()
    lists.items[path] = [
        {"metadata": {"name": "bad"}, "spec": {"interfaces": "eth0"}},
        {"metadata": {"name": "good"}, "spec": {}},
    ]

    async def work(inputs: Inputs, told: list[list[str]]) -> None:
        await until(lambda: bool(told) and told[-1] == [])
        inputs.settle()
        assert [entry.name for entry in inputs.config.l2_advertisements] == ["good"]
        assert [problem.name for problem in inputs.problems] == ["bad"]

    running(lists, work)


@pytest.mark.parametrize("kind", sorted(names.PLURALS))
def test_every_kind_is_followed(kind: str) -> None:
    lists = Lists()

    async def work(inputs: Inputs, told: list[list[str]]) -> None:
        await until(lambda: f"/apis/heraldlb.io/v1beta1/{names.PLURALS[kind]}" in lists.queries)

    running(lists, work)

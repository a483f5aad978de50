"""The reflector against a real API server: a missing resource, a stream that fell silent, an API server away."""

import asyncio
import ctypes
import json
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from lb_controller.kube.client import Api, connect
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.resources import Resource
from lb_controller.kube.store import Key
from tests.lab.lab import Lab

pytestmark = pytest.mark.e2e
CONFIG_MAPS = Resource("", "v1", "configmaps", "default")
CLONE_NEWNET = 0x40000000


def inside(lab: Lab, work: Callable[[Api], Awaitable[None]]) -> None:
    """Run `work` with a client in the network namespace of the control plane (namespaces belong to threads)."""
    failures: list[BaseException] = []

    async def main() -> None:
        async with connect(lab.kubeconfig) as api, asyncio.timeout(120):
            await work(api)

    def thread() -> None:
        with open(f"/run/netns/{lab.space.name('cp')}") as namespace:  # noqa: PTH123 - its descriptor is what counts
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.setns(namespace.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            asyncio.run(main())
        except BaseException as error:  # it belongs to the test's thread
            failures.append(error)

    runner = threading.Thread(target=thread)
    runner.start()
    runner.join()
    if failures:
        raise failures[0]


class Followed:
    """A reflector that runs, and what it told."""

    def __init__(self, api: Api, resource: Resource, **options: Any) -> None:
        self.told: list[tuple[str, bool]] = []
        self._news = asyncio.Event()
        self.reflector: Reflector[dict[str, Any]] = Reflector(
            api,
            resource,
            lambda raw: dict(msgspec.json.decode(raw)),
            self._take,
            **options,  # type: ignore[arg-type]
        )
        self.task = asyncio.create_task(self.reflector.run())

    def _take(self, key: Key, value: dict[str, Any] | None) -> None:
        self.told.append((key[1], value is not None))
        self._news.set()

    def names(self) -> set[str]:
        return {key[1] for key in self.reflector.store}

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_failing(self) -> None:
        async with asyncio.timeout(20):
            while self.reflector.failing is None:  # noqa: ASYNC110 - a fact that is not announced
                await asyncio.sleep(0.1)


async def add(api: Api, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await api.post(CONFIG_MAPS.path, body)


def test_objects_come_and_go_in_order_and_nothing_is_told_twice(api: Lab) -> None:
    async def work(client: Api) -> None:
        await add(client, "before")
        followed = Followed(client, CONFIG_MAPS)
        await asyncio.wait_for(followed.reflector.synced.wait(), 10)
        assert "before" in followed.names()
        await add(client, "one")
        await client.delete(CONFIG_MAPS.object_path("default", "one"))
        await client.delete(CONFIG_MAPS.object_path("default", "before"))
        await followed.until(lambda: "before" not in followed.names())
        mine = [entry for entry in followed.told if entry[0] in ("before", "one")]
        assert mine == [("before", True), ("one", True), ("one", False), ("before", False)]
        followed.task.cancel()

    inside(api, work)


def test_a_stream_that_fell_silent_is_opened_again_and_nothing_is_lost(api: Lab) -> None:
    async def work(client: Api) -> None:
        followed = Followed(client, CONFIG_MAPS, silence=2.0)
        await asyncio.wait_for(followed.reflector.synced.wait(), 10)
        [server] = api.space.find("cp", "/kube-apiserver ")
        os.kill(server, signal.SIGSTOP)
        try:
            known = followed.names()
            await followed.until_failing()
            assert "no answer in time" in str(followed.reflector.failing)
            assert followed.names() == known
        finally:
            os.kill(server, signal.SIGCONT)
        await add(client, "after-silence")
        await followed.until(lambda: "after-silence" in followed.names())
        await client.delete(CONFIG_MAPS.object_path("default", "after-silence"))
        followed.task.cancel()

    inside(api, work)


def test_what_was_known_stays_while_the_api_server_is_away(api: Lab) -> None:
    async def work(client: Api) -> None:
        await add(client, "stays")
        followed = Followed(client, CONFIG_MAPS)
        await asyncio.wait_for(followed.reflector.synced.wait(), 10)
        known = followed.names()
        await asyncio.to_thread(api.stop_api_server)
        await followed.until_failing()
        assert followed.names() == known
        await asyncio.to_thread(api.start_api_server)
        await client.delete(CONFIG_MAPS.object_path("default", "stays"))
        await followed.until(lambda: "stays" not in followed.names(), 60)
        assert followed.told.count(("stays", True)) == 1
        followed.task.cancel()

    inside(api, work)


THING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.test.heraldlb.io"},
    "spec": {
        "group": "test.heraldlb.io",
        "scope": "Cluster",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def test_a_resource_that_does_not_exist_is_empty_until_it_appears_and_again_when_it_goes(api: Lab) -> None:
    things = Resource("test.heraldlb.io", "v1", "things")

    async def work(client: Api) -> None:
        followed = Followed(client, things, missing_retry=0.5)
        await asyncio.wait_for(followed.reflector.synced.wait(), 10)
        assert followed.names() == set()
        crd = "customresourcedefinition.apiextensions.k8s.io/things.test.heraldlb.io"
        await asyncio.to_thread(lambda: api.kubectl("apply", "-f", "-", input=json.dumps(THING)))
        await asyncio.to_thread(lambda: api.kubectl("wait", "--for=condition=Established", "--timeout=30s", crd))
        thing = {"apiVersion": "test.heraldlb.io/v1", "kind": "Thing", "metadata": {"name": "first"}}
        await asyncio.to_thread(lambda: api.kubectl("apply", "-f", "-", input=json.dumps(thing)))
        await followed.until(lambda: followed.names() == {"first"})
        await asyncio.to_thread(lambda: api.kubectl("delete", crd))
        await followed.until(lambda: followed.names() == set(), 60)
        followed.task.cancel()

    inside(api, work)


def test_where_only_the_older_version_is_served_that_is_followed(api: Lab) -> None:
    newest, older = (Resource("test.heraldlb.io", version, "things") for version in ("v2", "v1"))
    crd = "customresourcedefinition.apiextensions.k8s.io/things.test.heraldlb.io"
    thing = {"apiVersion": "test.heraldlb.io/v1", "kind": "Thing", "metadata": {"name": "first"}}
    api.kubectl("apply", "-f", "-", input=json.dumps(THING))
    api.kubectl("wait", "--for=condition=Established", "--timeout=30s", crd)

    async def work(client: Api) -> None:
        followed = Followed(client, newest, older=older, missing_retry=60.0)
        await asyncio.wait_for(followed.reflector.synced.wait(), 10)
        await asyncio.to_thread(lambda: api.kubectl("apply", "-f", "-", input=json.dumps(thing)))
        await followed.until(lambda: followed.names() == {"first"})
        assert followed.reflector.resource == older
        followed.task.cancel()

    try:
        inside(api, work)
    finally:
        api.kubectl("delete", crd)

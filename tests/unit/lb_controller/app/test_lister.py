"""Lists: one source that cannot be listed holds up what depends on it, and nothing else."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from lb_controller.app import lister
from lb_controller.app.inputs import sources
from lb_controller.app.lister import AllListed, Listed, Lister
from lb_controller.kube.client import Api
from lb_controller.kube.errors import NotFound, Unavailable
from lb_controller.runtime.backoff import Backoff

THEIR_PEERS, THEIR_POOLS = "metallb.io/BGPPeer", "metallb.io/IPAddressPool"


class Server:
    """Stands where the API is: everything is empty, but for what is broken or missing."""

    def __init__(self, broken: set[str] = frozenset(), missing: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        paths = sources("lb")
        self.broken, self.missing = ({paths[source].path for source in found} for found in (broken, missing))

    async def get(self, path: str, _: Mapping[str, Any]) -> bytes:
        if path in self.broken:
            raise Unavailable(path, 500, "conversion webhook failed")
        if path in self.missing:
            raise NotFound(path, 404, "no such resource")
        return json.dumps({"metadata": {"resourceVersion": "9"}, "items": []}).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lister, "Backoff", lambda random, **_: Backoff(random, first=0.001, most=0.002))


def told(server: Server, seconds: float = 0.3) -> list[Listed | AllListed]:
    found: list[Listed | AllListed] = []

    async def main() -> None:
        one = Lister(cast(Api, server), sources("lb"), 300.0, found.append, lambda: None)
        task = asyncio.create_task(one.run())
        await asyncio.sleep(seconds)
        task.cancel()

    asyncio.run(main())
    return found


def listed(found: list[Listed | AllListed]) -> set[str]:
    return {one.source for one in found if isinstance(one, Listed)}


def test_every_source_is_listed_and_then_said_so() -> None:
    found = told(Server())
    assert listed(found) == set(sources("lb"))
    assert found[-1] == AllListed(1)


def test_a_resource_that_is_missing_counts_as_empty() -> None:
    found = told(Server(missing={"IPAddressPool", THEIR_PEERS}))
    assert found[-1] == AllListed(1)
    assert listed(found) == set(sources("lb"))


def test_a_broken_resource_of_metallb_that_no_address_depends_on_is_left_out() -> None:
    found = told(Server(broken={THEIR_PEERS}))
    assert found[-1] == AllListed(1)
    assert THEIR_PEERS in listed(found)


@pytest.mark.parametrize("source", ["Service", "IPAddressPool", THEIR_POOLS])
def test_a_broken_resource_that_addresses_depend_on_is_waited_for(source: str) -> None:
    found = told(Server(broken={source}))
    assert source not in listed(found)
    assert AllListed(1) not in found


def test_a_watch_is_told_where_the_last_list_ended_and_waits_for_the_next_one_where_that_is_forgotten() -> None:
    async def main() -> list[tuple[int, int]]:
        one = Lister(cast(Api, Server()), sources("lb"), 300.0, lambda _: None, lambda: None)
        first = asyncio.create_task(one.listed("Service"))
        await asyncio.sleep(0)
        assert not first.done(), "nothing was listed yet"
        task = asyncio.create_task(one.run())
        async with asyncio.timeout(5):
            found = [await first, await one.listed("Service"), await one.listed("Service", 1)]
        task.cancel()
        return found

    assert asyncio.run(main()) == [(1, 9), (1, 9), (2, 9)]

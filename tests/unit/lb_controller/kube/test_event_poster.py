"""Events give way to more urgent work, but not for ever."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from lb_controller.kube import events
from lb_controller.kube.client import Api
from lb_controller.kube.events import About, Event, EventPoster

ABOUT = About(api_version="v1", kind="Service", namespace="ns", name="web", uid="u")


class Posted:
    """Stands where the API is; keeps what was posted."""

    def __init__(self) -> None:
        self.bodies: list[Mapping[str, Any]] = []

    async def post(self, _: str, body: Mapping[str, Any]) -> bytes:
        self.bodies.append(body)
        return b"{}"


@pytest.mark.parametrize(("busy_times", "waited"), [(0, 0), (3, 3), (10**6, 20)])
def test_an_event_waits_while_there_is_urgent_work_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, busy_times: int, waited: int
) -> None:
    monkeypatch.setattr(events, "_GIVE_WAY_SECONDS", 0.0)
    monkeypatch.setattr(events, "_GIVE_WAY_TIMES", 20)
    asked = iter(range(10**7))

    async def main() -> int:
        posted = Posted()
        poster = EventPoster(cast(Api, posted), "test", lambda: None, busy=lambda: next(asked) < busy_times)
        poster.post(Event(ABOUT, "Normal", "Assigned", "m", "2026-01-01T00:00:00Z"))
        running = asyncio.create_task(poster.run())
        await poster.drain(5.0)
        running.cancel()
        return len(posted.bodies)

    assert asyncio.run(main()) == 1
    assert next(asked) == min(waited + 1, 20)


def test_an_event_that_gives_way_is_not_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a Service is told that it has its address, and then that it has none, which was before."""
    monkeypatch.setattr(events, "_GIVE_WAY_SECONDS", 0.0)
    asked = iter(range(10**7))

    async def main() -> list[str]:
        posted = Posted()
        poster = EventPoster(cast(Api, posted), "test", lambda: None, busy=lambda: next(asked) < 1)
        for reason in ("AddressNotInPool", "Assigned", "UnknownPool"):
            poster.post(Event(ABOUT, "Normal", reason, "m", "2026-01-01T00:00:00Z"))
        running = [asyncio.create_task(poster.run()) for _ in range(2)]
        await poster.drain(5.0)
        for task in running:
            task.cancel()
        return [str(body["reason"]) for body in posted.bodies]

    assert asyncio.run(main()) == ["AddressNotInPool", "Assigned", "UnknownPool"]

"""Which write goes next: an address that somebody waits for before news of those that have theirs."""

import asyncio
from collections.abc import Mapping
from typing import Any

from lb_controller.app.writers import Ending, Report, StatusJob, Writer


class Api:
    """Stands where the API server stands: takes every write when `gate` is open, and keeps the order."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.written: list[str] = []

    async def apply(self, path: str, body: Mapping[str, Any], *, manager: str) -> bytes:
        assert manager
        await self.gate.wait()
        self.written.append(f"{path.split('/')[1]}={body['n']}")
        return b"{}"


def job(name: str, *, urgent: bool = False, n: int = 0) -> StatusJob:
    return StatusJob(("Service", ("ns", name)), f"/{name}", {"n": n}, urgent=urgent)


def written(first: StatusJob, *rest: StatusJob) -> list[str]:
    """The order of the writes of one worker, where all but the first are submitted while the first is written."""

    async def main() -> list[str]:
        api, reports = Api(), list[Report]()
        writer = Writer(api, lambda: True, reports.append)  # type: ignore[arg-type]
        writer.submit(first)
        worker = asyncio.create_task(writer.run())
        while writer.busy():  # noqa: ASYNC110 - until the worker has taken it
            await asyncio.sleep(0)
        for each in rest:
            writer.submit(each)
        api.gate.set()
        while writer.busy():  # noqa: ASYNC110 - the worker never blocks now
            await asyncio.sleep(0)
        await writer.drain(5)
        worker.cancel()
        assert {report.ending for report in reports} == {Ending.WRITTEN}
        return api.written

    return asyncio.run(main())


def test_an_address_that_somebody_waits_for_goes_before_news_of_those_that_have_theirs() -> None:
    news = [job(f"old{n}") for n in range(5)]
    assert written(job("first"), *news, job("new", urgent=True)) == ["first=0", "new=0"] + [
        f"old{n}=0" for n in range(5)
    ]


def test_the_latest_wish_of_each_is_written_once_also_where_it_became_urgent() -> None:
    found = written(job("first"), job("a"), job("b"), job("b", urgent=True, n=1), job("b", n=2), job("a", n=3))
    assert found == ["first=0", "b=2", "a=3"]


def test_what_is_being_written_is_not_taken_again() -> None:
    assert written(job("first"), job("first", n=1)) == ["first=0"]

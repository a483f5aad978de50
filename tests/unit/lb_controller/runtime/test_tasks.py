"""Tasks of a process: a crash ends it, a signal ends it in order."""

import asyncio
import os
import signal

import pytest

from lb_controller.runtime.tasks import LoopLag, TaskCrashed, Tasks, run


async def forever() -> None:
    await asyncio.Event().wait()


async def crash() -> None:
    raise ValueError("broken")


async def end() -> None:
    pass


async def with_tasks(*works: object, may_end: bool = False) -> None:
    async with Tasks() as tasks:
        for work in works:
            tasks.start("work", work(), may_end=may_end)  # type: ignore[operator]
        await asyncio.wait_for(tasks.stopped(), 5)


def test_the_crash_of_one_task_ends_the_others_and_names_it() -> None:
    with pytest.raises(TaskCrashed, match="task work ended") as caught:
        asyncio.run(with_tasks(forever, crash))
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_task_that_returns_ends_the_process_too() -> None:
    with pytest.raises(TaskCrashed):
        asyncio.run(with_tasks(forever, end))


def test_a_task_that_may_end_ends_nothing_but_its_crash_does() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(with_tasks(end, may_end=True), 0.05))
    with pytest.raises(TaskCrashed):
        asyncio.run(with_tasks(crash, may_end=True))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_and_the_tasks_in_reverse_order(number: signal.Signals) -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await forever()
        finally:
            ended.append(name)

    async def main() -> None:
        async with Tasks() as tasks:
            tasks.start("first", work("first"))
            tasks.start("second", work("second"))
            await asyncio.sleep(0)
            os.kill(os.getpid(), number)
            await asyncio.wait_for(tasks.stopped(), 5)
            ended.append("goodbye")

    asyncio.run(main())
    assert ended == ["goodbye", "second", "first"]


def test_the_exit_status_is_0_or_1_and_a_plain_error_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert run(end) == 0
    assert run(crash) == 1
    assert "Traceback" in caplog.text
    caplog.clear()
    assert run(crash, plain=(ValueError,)) == 1
    assert "broken" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_lag_of_a_loop_that_stood_still_is_measured_once() -> None:
    async def main() -> tuple[float, float]:
        lag = LoopLag(interval=0.01)
        task = asyncio.create_task(lag.run())
        while not lag.beats:  # noqa: ASYNC110 - the measured loop itself makes the progress
            await asyncio.sleep(0)
        until = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < until:
            pass  # stand still
        beats = lag.beats
        while lag.beats == beats:  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        return lag.take_worst(), lag.take_worst()

    worst, then = asyncio.run(main())
    assert worst >= 0.05
    assert then == 0.0

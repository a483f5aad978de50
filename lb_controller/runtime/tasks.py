"""The tasks of a process: they run together, and the crash of one ends the process instead of leaving half of it alive.

A process opens its resources, starts its tasks and waits for the end:

    async def main() -> None:
        async with Tasks() as tasks:
            tasks.start("watch", watch())
            tasks.start("serve", serve())
            await tasks.stopped()        # SIGTERM or SIGINT; raises TaskCrashed when a task ended by itself
            ... leave in order: finish writes, say goodbye ...

    sys.exit(run(main))

On leaving the block the remaining tasks are cancelled, last started first. A second signal ends the process at once.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_logger = logging.getLogger(__name__)


class TaskCrashed(RuntimeError):
    """A task that should run until the end has ended; `__cause__` is its error, if it had one."""


class Tasks:
    """The tasks of one process. `grace`: seconds that a cancelled task may take before it is left behind."""

    def __init__(self, *, grace: float = 5.0) -> None:
        self._grace = grace
        self._tasks: list[asyncio.Task[Any]] = []
        self._ended = asyncio.Event()
        self._crash: TaskCrashed | None = None
        self.stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ignore_ends()
        for task in reversed(self._tasks):
            await self._cancel(task)
        self._release_signals()

    def start(self, name: str, work: Coroutine[Any, Any, Any], *, may_end: bool = False) -> asyncio.Task[Any]:
        """Run `work` as a task. If it ends with an error, or at all unless `may_end`, the process ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._on_end_allowed if may_end else self._on_end)
        return task

    async def stopped(self) -> None:
        """Wait for a signal, or for `stop`. Raises TaskCrashed as soon as a task ended by itself."""
        await self._ended.wait()
        if self._crash is not None:
            raise self._crash

    def stop(self) -> None:
        """Ask for the end, as SIGTERM does."""
        self.stopping.set()
        self._ended.set()

    def _on_signal(self) -> None:
        self._release_signals()  # the second signal has its usual effect
        self.stop()

    def _release_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.remove(task)
        if task.cancelled() or self._crash is not None:
            return
        crash = TaskCrashed(f"task {task.get_name()} ended")
        crash.__cause__ = task.exception()
        self._crash = crash
        self._ended.set()

    def _on_end_allowed(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.remove(task)
        else:
            self._on_end(task)

    def _ignore_ends(self) -> None:
        for task in self._tasks:
            task.remove_done_callback(self._on_end)
            task.remove_done_callback(self._on_end_allowed)

    async def _cancel(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        await asyncio.wait({task}, timeout=self._grace)
        if not task.done():
            _logger.warning("task %s did not end within %s s", task.get_name(), self._grace)
        elif not task.cancelled() and task.exception() is not None:
            _logger.error("task %s failed while it ended", task.get_name(), exc_info=task.exception())


class LoopLag:
    """How late the event loop runs its timers: `last` and `worst` in seconds since the previous `take_worst`.

    `beat_at` is the loop's time of the latest beat, `beats` their number; a stale beat means that the loop stood still.
    """

    def __init__(self, *, interval: float = 0.25) -> None:
        self._interval = interval
        self.beats = 0
        self.beat_at = 0.0
        self.last = 0.0
        self._worst = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            self.beat_at = loop.time()
            self.beats += 1
            self.last = max(0.0, self.beat_at - due)
            self._worst = max(self._worst, self.last)

    def take_worst(self) -> float:
        """The worst lateness since the previous call, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst


def run(main: Callable[[], Awaitable[None]], *, plain: tuple[type[Exception], ...] = ()) -> int:
    """Run a process's `main` to its end; returns the exit status: 0, or 1 with the reason in the log.

    Errors of the kinds in `plain` are a sentence for the user: logged without a traceback.
    """

    async def entry() -> None:
        await main()

    try:
        asyncio.run(entry())
    except KeyboardInterrupt:
        return 130
    except plain as error:
        _logger.error("the process cannot run: %s", error)  # noqa: TRY400 - the sentence says it all
        return 1
    except Exception:
        _logger.exception("the process ends because of an error")
        return 1
    return 0

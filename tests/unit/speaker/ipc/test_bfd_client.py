"""The end that wants BFD sessions: what it says again, and what it takes for a failure."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from speaker.ipc.bfd_client import SOCKET, BfdClient
from speaker.ipc.messages import AnyMessage, BfdSession, BfdSessions, BfdSessionState, BfdState
from speaker.ipc.stream import Server

ROUTER = BfdSession(name="router", peer="192.0.2.1")


class Both:
    """A client, and the announcer's end that a test plays."""

    def __init__(self, folder: Path) -> None:
        self.wanted: list[AnyMessage] = []
        self.failed: list[tuple[str, str]] = []
        self.changed: list[BfdSessionState] = []
        self.server = Server(folder / SOCKET, self.wanted.append)
        self.client = BfdClient(folder, lambda *told: self.failed.append(told), self.changed.append, _soon)

    async def say(self, instance: str = "one", **fields: Any) -> None:
        """The state of the only session; returns when the client has heard it."""
        state = BfdState(instance=instance, sessions=(BfdSessionState(name="router", **fields),))
        self.server.send(state)
        await self.until(lambda: self.client.states.get("router") == state.sessions[0])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    @asynccontextmanager
    async def running(self) -> Any:
        tasks = [asyncio.create_task(self.server.serve()), asyncio.create_task(self.client.run())]
        try:
            await self.until(lambda: self.client.connected and self.server.peer is not None)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _soon(_: float) -> None:
    await asyncio.sleep(0.001)


def played(folder: Path, play: Callable[[Both], Awaitable[None]]) -> Both:
    async def work() -> Both:
        both = Both(folder)
        async with both.running():
            await play(both)
        return both

    return asyncio.run(work())


def test_what_is_wanted_is_said_once_and_again_to_a_new_announcer(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        both.client.want((ROUTER,))
        both.client.want((ROUTER,))
        await both.until(lambda: bool(both.wanted))
        assert both.server.peer is not None
        both.server.peer.close()
        await both.until(lambda: len(both.wanted) == 2)

    assert played(tmp_path, play).wanted == [BfdSessions(sessions=(ROUTER,))] * 2


def test_nothing_is_said_before_anything_is_wanted(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say(state="Down")

    assert played(tmp_path, play).wanted == []


def test_a_session_that_failed_is_told_once_with_the_reason(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say(state="Up")
        await both.say(state="Down", failures=1, diagnostic=1)
        await both.say(state="Init", failures=1, diagnostic=1)
        await both.say(state="Up", failures=1)
        await both.say(state="Down", failures=2, diagnostic=3)

    both = played(tmp_path, play)
    assert both.failed == [
        ("router", "nothing was heard for the detection time"),
        ("router", "the peer says that it hears nothing"),
    ]
    assert [state.state for state in both.changed] == ["Up", "Down", "Init", "Up", "Down"]


def test_admin_down_is_no_failure(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say(state="Up", remote_state="Up")
        await both.say(state="Down", remote_state="AdminDown", diagnostic=3)

    assert played(tmp_path, play).failed == []


def test_the_failures_of_before_are_none_for_a_client_that_begins(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say(state="Down", failures=7, diagnostic=1)

    assert played(tmp_path, play).failed == []


def test_an_announcer_that_begins_anew_has_failed_nothing(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say("one", state="Up")
        await both.say("two", state="Down")
        await both.say("two", state="Down", failures=0, problem="UDP port 3784 cannot be opened")

    assert played(tmp_path, play).failed == []


def test_a_failure_while_the_connection_was_broken_is_told_afterwards(tmp_path: Path) -> None:
    async def play(both: Both) -> None:
        await both.say(state="Up")
        assert both.server.peer is not None
        both.server.peer.close()
        await both.until(lambda: not both.client.connected)
        await both.until(lambda: both.client.connected and both.server.peer is not None)
        assert both.client.states["router"].up, "the last word stays"
        await both.say(state="Up", failures=1)

    assert len(played(tmp_path, play).failed) == 1

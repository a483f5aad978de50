"""The end of bfd.sock that wants sessions: says them, remembers how they are, and tells apart what is a failure.

A failure is a session that was up and went down because the path is broken. None of these is one: the announcer is
away or begins anew, this process begins anew, the session was disabled on either side. So a user may end its own
session with the peer (BGP) on `on_failed`, and on nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from speaker.ipc.messages import AnyMessage, BfdSession, BfdSessions, BfdSessionState, BfdState
from speaker.ipc.stream import Client, Peer

SOCKET = "bfd.sock"
_REASONS = {1: "nothing was heard for the detection time", 3: "the peer says that it hears nothing"}


class BfdClient:
    """`on_failed(name, why)` is called once for each failure, `on_change(state)` for every change of a session.

    While the announcer is away, its last word stays: `states` by name.
    """

    def __init__(
        self,
        socket_dir: Path,
        on_failed: Callable[[str, str], None],
        on_change: Callable[[BfdSessionState], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._on_failed, self._on_change = on_failed, on_change
        self._wanted: BfdSessions | None = None
        self._instance = ""
        self.states: dict[str, BfdSessionState] = {}
        self._client = Client(socket_dir / SOCKET, self._on_message, self._greet, sleep=sleep)

    @property
    def connected(self) -> bool:
        return self._client.connected

    async def run(self) -> None:
        """Stay connected for ever."""
        await self._client.run()

    def want(self, sessions: tuple[BfdSession, ...]) -> None:
        """These are all sessions; nothing is sent when nothing changed."""
        wanted = BfdSessions(sessions=sessions)
        if wanted != self._wanted:
            self._wanted = wanted
            self._client.send(wanted)

    def _greet(self, peer: Peer) -> None:
        if self._wanted is not None:
            peer.send(self._wanted)

    def _on_message(self, message: AnyMessage) -> None:
        if not isinstance(message, BfdState):
            return
        before = self.states if message.instance == self._instance else {}
        changed = [state for state in message.sessions if self.states.get(state.name) != state]
        self._instance, self.states = message.instance, {state.name: state for state in message.sessions}
        for state in changed:
            self._on_change(state)
            known = before.get(state.name)
            if known is not None and state.failures > known.failures:
                self._on_failed(state.name, _REASONS.get(state.diagnostic, f"BFD diagnostic {state.diagnostic}"))

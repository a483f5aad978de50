"""The announcer's end of bfd.sock: the sessions that the BGP supervisor wants, run by this process.

The last word of the supervisor stays in force while it is away, so that its restart flaps nothing. A session that
cannot be run is reported with the reason, and the others are not disturbed.
"""

import asyncio
import uuid
from ipaddress import ip_address

from lb_controller.runtime.logging import logger
from speaker.announcer.app.settings import AnnouncerSettings
from speaker.announcer.bfd.authentication import Authentication, AuthType, Key
from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.bfd.packet import State
from speaker.announcer.bfd.timers import Parameters
from speaker.announcer.net.bfd.driver import BfdDriver
from speaker.announcer.net.bfd.sockets import TTL
from speaker.announcer.net.bfd.values import BfdEvent, SessionChanged, Wanted
from speaker.ipc.bfd_client import SOCKET
from speaker.ipc.messages import (
    BFD_AUTHENTICATION,
    AnyMessage,
    BfdAuthentication,
    BfdSession,
    BfdSessions,
    BfdSessionState,
    BfdState,
)
from speaker.ipc.stream import Peer, Server

_WORDS = {State.ADMIN_DOWN: "AdminDown", State.DOWN: "Down", State.INIT: "Init", State.UP: "Up"}
log = logger()


class BfdService:
    """Created inside a running loop; `serve` is its task."""

    def __init__(self, settings: AnnouncerSettings, driver: BfdDriver) -> None:
        self._driver = driver
        self._instance = uuid.uuid4().hex
        self._paths: dict[str, Path] = {}  # by name
        self._refused: dict[str, str] = {}
        self._reporting = False
        self._server = Server(settings.socket_dir / SOCKET, self._on_message, self._on_connect, self._on_bad_message)

    async def serve(self) -> None:
        """Listen for ever."""
        await self._server.serve()

    def _on_message(self, message: AnyMessage) -> None:
        if not isinstance(message, BfdSessions):
            self._on_bad_message(f"{type(message).__name__} is not for BFD")
            return
        wanted: dict[Path, Wanted] = {}
        self._paths, self._refused = {}, {}
        for session in message.sessions:
            why = self._accept(session, wanted)
            if why:
                self._refused[session.name] = why
                log.error("bfd_session_refused", session=session.name, reason=why)
        self._driver.want(self._on_event, wanted)
        self._report_soon()

    def _accept(self, session: BfdSession, wanted: dict[Path, Wanted]) -> str:
        """Add it to what is wanted; returns why that cannot be, "" when it can."""
        try:
            path, how = wanted_of(session)
        except ValueError as error:
            return str(error)
        if path in wanted:
            return f"another session with {session.peer} is wanted on the same path"
        wanted[path] = how
        self._paths[session.name] = path
        return ""

    def _on_event(self, event: BfdEvent) -> None:
        if isinstance(event, SessionChanged):
            status = event.status
            log.info(
                "bfd_session",
                peer=str(event.path.peer),
                state=_WORDS[status.state],
                remote_state=_WORDS[status.remote_state],
                diagnostic=int(status.diagnostic),
                problem=status.problem,
            )
            self._report_soon()

    def _report_soon(self) -> None:
        """Once for all changes of this turn of the loop: a router that dies takes many sessions with it."""
        if not self._reporting:
            self._reporting = True
            asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        self._reporting = False
        self._server.send(self._state())

    def _on_connect(self, peer: Peer) -> None:
        peer.send(self._state())

    def _on_bad_message(self, error: str) -> None:
        log.error("bad_message", error=error)

    def _state(self) -> BfdState:
        found = [BfdSessionState(name=name, problem=why) for name, why in self._refused.items()]
        for name, path in self._paths.items():
            status = self._driver.status(path)
            if status is not None:
                found.append(
                    BfdSessionState(
                        name=name,
                        state=_WORDS[status.state],
                        remote_state=_WORDS[status.remote_state],
                        diagnostic=status.diagnostic,
                        failures=status.failures,
                        problem=status.problem,
                    )
                )
        return BfdState(instance=self._instance, sessions=tuple(sorted(found, key=lambda state: state.name)))


def wanted_of(session: BfdSession) -> tuple[Path, Wanted]:
    """Where the peer is and how the session is run. Raises ValueError with a sentence for what cannot be run."""
    host, _, scope = session.peer.partition("%")
    peer, interface = ip_address(host), session.interface or scope
    local = ip_address(session.local) if session.local else None
    if local is not None and local.version != peer.version:
        raise ValueError(f"{local} and {peer} are of different families")
    if session.multi_hop and interface:
        raise ValueError("a session over multiple hops is bound to no interface")
    if peer.version == 6 and peer.is_link_local and not interface:
        raise ValueError(f"the link-local peer {peer} needs an interface")
    if not 1 <= session.minimum_ttl <= TTL:
        raise ValueError(f"the minimum TTL {session.minimum_ttl} is not between 1 and {TTL}")
    parameters = Parameters(
        desired_min_tx=session.transmit_interval * 1000,
        required_min_rx=session.receive_interval * 1000,
        detect_mult=session.detect_multiplier,
        passive=session.passive,
        authentication=_authentication(session.authentication),
    )
    minimum_ttl = session.minimum_ttl if session.multi_hop else TTL
    return Path(peer, interface, session.multi_hop), Wanted(parameters, local, minimum_ttl)


def _authentication(wanted: BfdAuthentication | None) -> Authentication | None:
    if wanted is None:
        return None
    if wanted.kind not in BFD_AUTHENTICATION:
        raise ValueError(f"{wanted.kind!r} is no kind of BFD authentication; there are {', '.join(BFD_AUTHENTICATION)}")
    kind = AuthType(BFD_AUTHENTICATION.index(wanted.kind) + 1)
    return Authentication(kind, tuple(Key(key.id, key.secret) for key in wanted.keys))

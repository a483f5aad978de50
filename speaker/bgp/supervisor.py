"""The container `bgp`: carries what the speaker wants to the BGP daemon, and keeps that daemon alive.

    speaker --bgp.sock--> Supervisor -> Reconciler -> Daemon --bridge.sock--> bridge --pipes--> ExaBGP

The last desired state stays in force while the speaker is away. The daemon runs once a peer is wanted; when it ends,
it is started again with back-off and told everything anew. On a planned stop, routes are demoted, after the time of the
drain withdrawn, and the sessions closed; except towards peers with graceful restart: these keep the routes until the
next supervisor speaks (RFC 4724), unless the node itself is being drained.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from lb_controller.runtime.backoff import Backoff
from lb_controller.runtime.logging import logger
from speaker.bgp import secret_files
from speaker.bgp.child import Daemon
from speaker.bgp.commands import wanted_routes
from speaker.bgp.effects import Configure, Effect, Restart, Send
from speaker.bgp.events import SessionChanged, SessionEvent, Unknown, event_of
from speaker.bgp.farewell import Farewell
from speaker.bgp.network import Kernel
from speaker.bgp.reconcile import Reconciler
from speaker.bgp.reports import Reports, log_changes
from speaker.bgp.sessions import Session, bfd_sessions, sessions_of
from speaker.bgp.validation import Verdict, validated
from speaker.ipc.bfd_client import BfdClient
from speaker.ipc.messages import RADV_SOCKET, AdvertiseRouter, AnyMessage, BgpSnapshot, BgpState
from speaker.ipc.stream import Client, Peer, Server

SOCKET = "bgp.sock"
BRIDGE_SOCKET = "bridge.sock"
FOLDER = "exabgp"
# Seconds: how often the kernel is asked again for the way to each peer, and how often reports may be sent.
LOOK_AGAIN = 2.0
REPORT_EVERY = 0.1
COUNT_EVERY = 5.0
# A daemon that ran this long has started well: the next start does not wait.
GOOD_RUN = 30.0
FAREWELL_SECONDS = 2.0
_log = logger(part="bgp")


class Supervisor:
    """Everything of the process but its settings; `serve` its tasks, then `leave`."""

    def __init__(self, socket_dir: Path, drain_seconds: float) -> None:
        folder = socket_dir / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        secret_files.sweep(folder)
        self.kernel = Kernel()
        self.machine = Reconciler()
        self.farewell = Farewell(drain_seconds)
        self.daemon = Daemon(folder, socket_dir / BRIDGE_SOCKET)
        self.server = Server(socket_dir / SOCKET, self._on_message, self._on_speaker, self._on_bad_frame)
        self.advertiser = Client(socket_dir / RADV_SOCKET, lambda _: None, self._greet_advertiser)
        self.bfd = BfdClient(socket_dir, self._on_bfd_failed, lambda _: self._report_due.set())
        self.reports = Reports(self.machine, self.daemon, self.bfd)
        self._links: tuple[str, ...] = ()  # interfaces of unnumbered peers
        self._snapshot: BgpSnapshot | None = None
        self._changed = asyncio.Event()
        self._needed = asyncio.Event()  # a session is wanted: the daemon may run
        self._report_due = asyncio.Event()
        self._clock = asyncio.Event()  # the machine's deadline may have moved
        self._sessions: tuple[Session, ...] = ()
        self._asked: tuple[Session, ...] | None = None
        self._verdict = Verdict((), {})
        self._leaving = False

    # --- tasks, each for ever

    async def apply(self) -> None:
        """Hand every new desired state to the machine, and withdraw what leaves when its time has come."""
        now = asyncio.get_running_loop().time
        while True:
            deadline = self.farewell.deadline(now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if deadline is None else deadline - now())
            self._changed.clear()
            if self._snapshot is not None:
                await self._apply(self._snapshot)

    async def look_again(self) -> None:
        """Notice when the way to a peer changes, or appears."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            if self._snapshot is not None:
                sessions, _ = sessions_of(self._snapshot.peers, self.kernel)
                if sessions != self._asked:
                    self._changed.set()

    async def keep_daemon(self) -> None:
        """Run the daemon; again, with back-off, whenever it ends."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random, first=0.2, most=10.0)
        while True:
            await self._needed.wait()
            began = loop.time()
            why = await self.daemon.run(self._sessions, self._on_start, self._on_line)
            if self._leaving:
                return
            self.machine.lost(f"the BGP daemon ended ({why}) and is started again")
            self._report_due.set()
            if loop.time() - began > GOOD_RUN:
                backoff.reset()
            wait = backoff.next()
            _log.error("daemon_ended", why=why, again_in=round(wait, 2))
            await asyncio.sleep(wait)

    async def watch_clock(self) -> None:
        """Wake the machine at its deadline."""
        loop = asyncio.get_running_loop()
        while True:
            self._clock.clear()
            deadline = self.machine.deadline
            wait = None if deadline is None else max(0.0, deadline - loop.time())
            try:
                await asyncio.wait_for(self._clock.wait(), wait)
            except TimeoutError:
                self._carry_out(self.machine.tick(loop.time()))

    async def report(self) -> None:
        """Tell the speaker the state of the sessions, when it changed."""
        last = BgpState(sessions=())
        while True:
            await self._report_due.wait()
            self._report_due.clear()
            state = self.reports.stamped(self.machine.state())
            if state != last:
                log_changes(last, state)
                last = state
                self.server.send(state)
            await asyncio.sleep(REPORT_EVERY)

    async def count(self) -> None:
        """Tell the speaker the counters."""
        while True:
            await asyncio.sleep(COUNT_EVERY)
            self._carry_out(self.machine.count(asyncio.get_running_loop().time()))
            self.server.send(self.reports.counters())

    async def leave(self) -> None:
        """Demote, wait, withdraw, say goodbye to the peers, end the daemon."""
        self._leaving = True
        now = asyncio.get_running_loop().time
        for_good = self._snapshot is not None and self._snapshot.for_good
        self._carry_out(self.machine.demote_all(now(), for_good=for_good))
        if self.machine.established:
            _log.info("draining", seconds=self.farewell.seconds, sessions=self.machine.established)
            await asyncio.sleep(self.farewell.seconds)
        self._carry_out(self.machine.withdraw_all(now()))
        await _until(lambda: self.machine.settled, FAREWELL_SECONDS)
        self._carry_out(self.machine.close_all(now()))
        await _until(lambda: self.machine.settled and self.machine.established == 0, FAREWELL_SECONDS)
        await self.daemon.stop()
        _log.info("left", sessions_still_up=self.machine.established)

    # --- what comes

    def _on_message(self, message: AnyMessage) -> None:
        if isinstance(message, BgpSnapshot) and not self._leaving:
            self._snapshot = message
            self._changed.set()

    def _on_speaker(self, peer: Peer) -> None:
        peer.send(self.reports.stamped(self.machine.state()))
        peer.send(self.reports.counters())

    def _on_bad_frame(self, reason: str) -> None:
        _log.warning("bad_frame", reason=reason)

    def _on_start(self) -> None:
        _log.info("daemon_started", sessions=len(self.daemon.sessions))
        self._carry_out(self.machine.started(self.daemon.sessions, asyncio.get_running_loop().time()))

    def _on_line(self, line: str) -> None:
        event = event_of(line)
        match event:
            case SessionChanged(address, SessionEvent.DOWN):
                self.reports.downs[self.reports.name_of(address)] += 1
            case Unknown(kind):
                self.reports.unknown[kind] += 1
            case _:
                pass
        self._carry_out(self.machine.heard(event, asyncio.get_running_loop().time()))

    def _on_bfd_failed(self, name: str, why: str) -> None:
        """Only this resets a session: without the announcer there is no BFD, and the hold time watches alone."""
        _log.warning("bfd_failed", peer=name, why=why)
        self._carry_out(self.machine.path_lost(name, asyncio.get_running_loop().time()))

    def _greet_advertiser(self, peer: Peer) -> None:
        peer.send(AdvertiseRouter(interfaces=self._links))

    # --- what goes

    async def _apply(self, snapshot: BgpSnapshot) -> None:
        self._advertise(snapshot)
        sessions, errors = sessions_of(snapshot.peers, self.kernel)
        if sessions != self._asked:
            self._verdict = await validated(sessions, self.daemon.bridge_command, self.daemon.folder)
            self._asked = sessions
        if self._leaving:
            return
        self._sessions = self.reports.sessions = self._verdict.accepted
        self.bfd.want(bfd_sessions(self._sessions, self.kernel))
        now = asyncio.get_running_loop().time()
        wanted = {session.name: wanted_routes(session, snapshot.routes) for session in self._sessions}
        for name, entry in wanted.items():
            for prefix, sentence in entry.refused.items():
                _log.error("route_left_out", peer=name, prefix=prefix, reason=sentence)
        leaving = {name: entry.leaving for name, entry in wanted.items()}
        routes = self.farewell.step(
            {name: entry.routes for name, entry in wanted.items()}, leaving, self.machine.given, now
        )
        self._carry_out(self.machine.want(self._sessions, routes, {**errors, **self._verdict.refused}, now))
        if self._sessions:
            self._needed.set()

    def _advertise(self, snapshot: BgpSnapshot) -> None:
        """Have the announcer tell the neighbours on the links of unnumbered peers that we are there."""
        links = tuple(sorted({peer.interface for peer in snapshot.peers if not peer.address}))
        if links != self._links:
            self._links = links
            self.advertiser.send(AdvertiseRouter(interfaces=links))

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(line):
                    self.daemon.send(line)
                case Configure(sessions):
                    self.daemon.reload(sessions)
                case Restart(reason):
                    _log.error("daemon_restarts", reason=reason)
                    self.daemon.kill()
        self._report_due.set()
        self._clock.set()


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition() and loop.time() < end:  # noqa: ASYNC110 - the machine has no events of its own
        await asyncio.sleep(0.01)

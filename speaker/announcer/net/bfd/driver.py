"""The driver of all BFD sessions of this node: packets in, machines asked, packets out; it has the clock.

    users (ownership of layer-2 addresses, bfd.sock) --want--> sessions --events--> users
    sockets --> parse --> Demultiplexer --> Session.step --> Sender
    one timer <-- Agenda

Each user says all sessions that it wants, and is told at once what is heard and what changes. A session that two users
want is one session, with the parameters of the user that came first.

**A late process distrusts itself first** (OWNERSHIP R32). When the loop wakes up after its time, all sockets are read
before any deadline is looked at, the users are told the gap, and sessions that missed half a Detection Time begin it
anew: packets that this process was too slow for are no silence of the peer.
"""

import asyncio
import random
import secrets
import socket
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address

from speaker.announcer.agenda import NEVER, Agenda
from speaker.announcer.bfd.authentication import CIRCLE
from speaker.announcer.bfd.demultiplexer import Demultiplexer, Path
from speaker.announcer.bfd.events import (
    Changed,
    Configure,
    Disable,
    Dropped,
    Event,
    Heard,
    Received,
    Resume,
    Send,
    Tick,
)
from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.packet import Control, State, parse
from speaker.announcer.bfd.session import Session
from speaker.announcer.net.bfd.ports import Ports, kind_of
from speaker.announcer.net.bfd.running import Running, counters_of
from speaker.announcer.net.bfd.sockets import TTL, Datagram, Receiver, Sender
from speaker.announcer.net.bfd.values import BfdEvent, Listener, LoopGap, PacketHeard, SessionChanged, Status, Wanted

HEARTBEAT = 0.1  # seconds: a loop that slept longer than it asked for is noticed
GAP = 0.05  # seconds of lateness that are told
BATCH = 64  # packets read before other work has its turn
LINGER = 3.0  # seconds
LEAVING_PACKETS = 3  # which it sends meanwhile; the peer takes no older ones once it heard the new session
ALL = 4096  # packets read after a gap: more than a socket holds


class BfdDriver:
    """All sessions; created inside a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[Listener, Mapping[Path, Wanted]] = {}
        self._table: Demultiplexer[Running] = Demultiplexer()
        self._agenda: Agenda[Running] = Agenda()
        self._sessions: dict[Path, Running] = {}
        self._all: set[Running] = set()  # with those that leave
        self._ports = Ports(self._watch, self._unwatch)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the timer should ring
        self._drops: Counter[Drop] = Counter()

    # --- what users say

    def want(self, listener: Listener, wanted: Mapping[Path, Wanted]) -> None:
        """These are all sessions that this user wants now; what it is told goes to `listener`."""
        self._wanted[listener] = dict(wanted)
        merged: dict[Path, Wanted] = {}
        for of_user in reversed(self._wanted.values()):
            merged |= of_user
        now = self._loop.time()
        for path in self._sessions.keys() - merged.keys():
            self._retire(self._sessions.pop(path), now)
        for path, one in merged.items():
            running = self._sessions.get(path)
            if running is None:
                self._begin(path, one, now)
            elif running.wanted != one:
                self._reconfigure(running, one, now)
        self._arm()

    def status(self, path: Path) -> Status | None:
        """Of a session that somebody wants."""
        running = self._sessions.get(path)
        return None if running is None else running.status

    def replaced(self, path: Path) -> None:
        """The process there is another one now: what it sends is numbered anew."""
        running = self._sessions.get(path)
        if running is not None:
            running.session.renumber()

    def _begin(self, path: Path, wanted: Wanted, now: float) -> None:
        sequence = self._sequence(path)
        session = Session(self._table.fresh(secrets.randbits), wanted.parameters, random.random, sequence=sequence)
        running = Running(path, wanted, session, Sender(path, wanted.local, secrets.randbelow))
        self._sessions[path] = running
        self._all.add(running)
        self._table.add(session.local_discr, path, running)
        self._ports.need(kind_of(other.path) for other in self._all)
        self._step(running, Tick(), now)

    def _sequence(self, path: Path) -> int:
        """Where the numbers of a new session begin: the peer expects those of one that leaves to go on."""
        numbers = [running.session.xmit_auth_seq for running in self._all if running.path == path]
        return (max(numbers) + LEAVING_PACKETS) % CIRCLE if numbers else secrets.randbits(32)

    def _reconfigure(self, running: Running, wanted: Wanted, now: float) -> None:
        if wanted.local != running.wanted.local:
            running.sender.close()
            running.sender = Sender(running.path, wanted.local, secrets.randbelow)
        running.wanted = wanted
        self._step(running, Configure(wanted.parameters), now)

    def _retire(self, running: Running, now: float) -> None:
        # BFD Control packets SHOULD be transmitted for at least a Detection Time after transitioning to AdminDown state
        # in order to ensure that the remote system is aware of the state change. These are three, one a second.
        running.leaving = True
        self._table.forget_path(running.path)
        self._step(running, Disable(), now)
        self._loop.call_later(LINGER if running.session.remote_discr else 0.0, self._end, running)

    def _end(self, running: Running) -> None:
        self._all.discard(running)
        self._agenda.cancel(running)
        self._table.remove(running.session.local_discr)
        running.sender.close()
        self._ports.need(kind_of(other.path) for other in self._all)

    # --- what is heard

    def _on_readable(self, receiver: Receiver) -> None:
        now = self._loop.time()
        if now - self._due >= GAP:
            self._wake(now)
        else:
            self._read(receiver, BATCH, now)
        self._arm()

    def _on_timer(self) -> None:
        self._wake(self._loop.time())
        self._arm()

    def _wake(self, now: float) -> None:
        """First everything that had come, then the deadlines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gap = now - self._due
        if gap >= GAP:
            for listener in list(self._wanted):
                listener(LoopGap(gap))
        for receiver in self._ports.receivers:
            self._read(receiver, ALL, now)
        if gap >= GAP:
            for running in list(self._all):
                self._step(running, Resume(gap), now)
        for running in self._agenda.due(now):
            self._step(running, Tick(), now)
        self._ports.look_again(now)

    def _read(self, receiver: Receiver, most: int, now: float) -> None:
        for _ in range(most):
            datagram = receiver.receive()
            if datagram is None:
                return
            try:
                _refuse_ttl(datagram, 0 if receiver.multi_hop else TTL)
                control = parse(datagram.payload)
                running = self._find(control, datagram, receiver)
            except MalformedPacket as error:
                self._drops[error.reason] += 1
                continue
            running.received += 1
            self._step(running, Received(control, datagram.payload), now)

    def _find(self, control: Control, datagram: Datagram, receiver: Receiver) -> Running:
        if control.your_discriminator:
            running = self._table.by_discriminator(control.your_discriminator)
            if running.path.multi_hop != receiver.multi_hop:
                raise MalformedPacket(Drop.UNKNOWN_SESSION)
        else:
            interface = "" if receiver.multi_hop else _name_of(datagram.interface)
            running = self._table.by_path(Path(ip_address(datagram.source), interface, receiver.multi_hop))
        _refuse_ttl(datagram, running.wanted.minimum_ttl)
        return running

    # --- machines

    def _step(self, running: Running, event: Event, now: float) -> None:
        was_up = running.session.session_state is State.UP
        for effect in running.session.step(event, now):
            match effect:
                case Send(packet):
                    self._send(running, packet)
                case Heard(state):
                    self._tell(running, PacketHeard(running.path, state))
                case Changed(state, _, remote):
                    running.ups += state is State.UP
                    running.downs += was_up
                    # RFC 5882 3.2: AdminDown is the operator's wish, no failure of the path.
                    running.failures += was_up and state is State.DOWN and remote is not State.ADMIN_DOWN
                    self._tell(running, SessionChanged(running.path, running.status))
                case Dropped(reason):
                    self._drops[reason] += 1
        deadline = running.session.deadline
        self._agenda.plan(running, NEVER if deadline is None else deadline)

    def _send(self, running: Running, packet: bytes) -> None:
        if running.sender.send(packet):
            running.sent += 1
        else:
            self._drops[Drop.NOT_SENT] += 1
        problem = self._ports.problem(kind_of(running.path)) or running.sender.problem
        if problem != running.problem:
            running.problem = problem
            self._tell(running, SessionChanged(running.path, running.status))

    def _tell(self, running: Running, event: BfdEvent) -> None:
        if not running.leaving:
            for listener, wanted in list(self._wanted.items()):
                if running.path in wanted:
                    listener(event)

    # --- the shell

    def _watch(self, receiver: Receiver) -> None:
        self._loop.add_reader(receiver.fileno(), self._on_readable, receiver)

    def _unwatch(self, receiver: Receiver) -> None:
        self._loop.remove_reader(receiver.fileno())

    def _arm(self) -> None:
        """One timer: for the next deadline, and for noticing that it rang late."""
        if not self._all:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        at = min(self._loop.time() + HEARTBEAT, self._agenda.deadline)
        if self._timer is not None:
            if self._due <= at:
                return
            self._timer.cancel()
        self._due = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def counters(self) -> dict[str, dict[str, float]]:
        """As in speaker.ipc.counters: name -> label -> value."""
        dropped = {str(reason): float(number) for reason, number in self._drops.items()}
        return {"heraldlb_bfd_dropped_total": dropped, **counters_of(self._sessions.values())}

    def leave(self) -> None:
        """A planned end: every peer is told that this is no failure of the path."""
        for listener in self._wanted:
            self._wanted[listener] = {}
        now = self._loop.time()
        for running in self._sessions.values():
            self._retire(running, now)
        self._sessions.clear()
        self.close()

    def close(self) -> None:
        """Stop at once."""
        for running in list(self._all):
            self._end(running)
        self._sessions.clear()
        self._arm()


def _refuse_ttl(datagram: Datagram, least: int) -> None:
    if datagram.ttl < least:
        raise MalformedPacket(Drop.BAD_TTL)


def _name_of(index: int) -> str:
    """The interface with that index; "" when it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""

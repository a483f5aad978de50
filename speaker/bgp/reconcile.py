"""Brings the daemon to what the speaker wants: a machine without I/O. Time is an argument, the world a return value.

Theory of operation. The machine knows what the daemon was told, session by session (`given`), and what it should
know (`wanted`). A change of the sessions themselves needs a reload of the configuration: one at a time, begun when no
command is unanswered, and the daemon says when it is done; until then only sessions that it leaves alone get commands.
Differences of routes go out as bulk commands, never more than WINDOW of them unanswered, withdrawals first. The daemon
keeps its table of routes while a session is down and sends it by itself when the session is up again, so a flap needs
nothing from us but, with graceful restart, End-of-RIB after everything was announced. A new daemon knows nothing:
everything is said again.

Invariants: no command for a session that the daemon does not have; nothing is announced that is not wanted; while no
new desired state arrives (the speaker is away), what is wanted stays. A refused line is halved until the prefix at
fault stands alone; that one is reported and the others are announced.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from speaker.bgp.commands import Attributes
from speaker.bgp.effects import Configure, Effect, Restart, Send
from speaker.bgp.events import Answer, Counted, Event, Reloaded, SessionChanged, SessionEvent, Unknown
from speaker.bgp.sentences import sentence
from speaker.bgp.sessions import Session
from speaker.bgp.table import ADMINISTRATIVE_SHUTDOWN, BFD_DOWN, OTHER_CONFIGURATION_CHANGE, Sent, Table
from speaker.ipc.messages import BgpState, Phase, SessionState

WINDOW = 4
# Seconds without an answer after which the daemon counts as hung.
ANSWER_TIME = 10.0
RELOAD_TIME = 10.0


class Reconciler:
    """The machine: every method is an event and returns the effects of it; `deadline` says when to call `tick`."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}  # of peers that are left out, by name
        self.answered = 0
        self.refused = 0
        self.counted: Mapping[str, Mapping[str, int]] = {}  # by the peer's address
        self._target: tuple[Session, ...] = ()
        self._wanted: Mapping[str, Mapping[str, Attributes]] = {}
        self._loading: tuple[Session, ...] | None = None
        self._tables: dict[str, Table] = {}  # by selector: the sessions that the daemon has
        self._by_address: dict[str, Table] = {}
        self._unanswered: deque[tuple[str, Sent | None]] = deque()
        self._running = False
        self._patience: float | None = None  # when the oldest unanswered line (or the reload) is late
        self._for_good = False
        self._last_errors: dict[str, str] = {}  # by peer name, kept over a restart of the daemon

    # --- what the shell tells

    def want(
        self,
        sessions: Sequence[Session],
        routes: Mapping[str, Mapping[str, Attributes]],
        errors: Mapping[str, str],
        now: float,
    ) -> list[Effect]:
        """The new desired state: sessions, routes by peer name, and a sentence for each peer that is left out."""
        self._target = tuple(sessions)
        names = {session.name for session in self._target}
        self._last_errors = {name: error for name, error in self._last_errors.items() if name in names}
        self._wanted = routes
        self.errors = dict(errors)
        for table in self._tables.values():
            self._plan(table)
        return self._go_on(now)

    def started(self, sessions: Sequence[Session], now: float) -> list[Effect]:
        """A new daemon runs with the configuration of these sessions and knows no routes."""
        self._running = True
        self._loading = None
        self._unanswered.clear()
        self._tables = {}
        self._adopt(tuple(sessions))
        return self._go_on(now)

    def lost(self, reason: str) -> None:
        """The daemon is gone, and every session and route with it."""
        self._running = False
        self._loading = None
        self._patience = None
        self._unanswered.clear()
        for table in self._tables.values():
            self._last_errors[table.session.name] = reason
        self._tables = {}
        self._by_address = {}

    def heard(self, event: Event, now: float) -> list[Effect]:
        """The daemon said something."""
        match event:
            case Answer(accepted):
                self._answered(accepted)
            case SessionChanged(address, kind, reason):
                self._session_changed(address, kind, reason)
            case Reloaded(accepted):
                if not accepted:
                    return [Restart("the daemon refused its configuration")]
                if self._loading is not None:
                    self._adopt(self._loading)
                    self._loading = None
            case Counted() | Unknown():
                self.counted = event.peers if isinstance(event, Counted) else self.counted
        if isinstance(event, Answer | Reloaded):
            self._patience = None
        return self._go_on(now)

    def tick(self, now: float) -> list[Effect]:
        """`deadline` has come."""
        if self._patience is not None and now >= self._patience:
            self._patience = None
            return [Restart("the daemon does not answer")]
        return []

    @property
    def deadline(self) -> float | None:
        return self._patience

    @property
    def settled(self) -> bool:
        """Whether the daemon was told everything and has answered all of it."""
        return not self._unanswered and self._loading is None and not any(t.queue for t in self._tables.values())

    @property
    def established(self) -> int:
        """How many sessions are up and would be closed with a farewell."""
        return sum(table.up for table in self._parting())

    @property
    def given(self) -> dict[str, Mapping[str, Attributes]]:
        """What the daemon was told, by peer name."""
        return {table.session.name: table.given for table in self._tables.values()}

    def demote_all(self, now: float, *, for_good: bool) -> list[Effect]:
        """A planned stop begins: every route becomes the last choice of the routers (RFC 8326).

        Peers with graceful restart are left out, as they keep the routes until the next process speaks; not so if the
        stop is `for_good`. The same holds for `withdraw_all` and `close_all`.
        """
        self._for_good = for_good
        return self._say_last(
            {name: {p: a.demoted() for p, a in routes.items()} for name, routes in self.given.items()}, now
        )

    def withdraw_all(self, now: float) -> list[Effect]:
        """A planned stop goes on: take every route back."""
        return self._say_last({}, now)

    def close_all(self, now: float) -> list[Effect]:
        """A planned stop ends: close every session with Cease."""
        for table in self._parting():
            if table.up:
                table.close_due = ADMINISTRATIVE_SHUTDOWN
        return self._go_on(now)

    def count(self, now: float) -> list[Effect]:
        """Ask the daemon how many messages it sent and got; `counted` holds the answer."""
        if not self._running or self._loading is not None or self._unanswered:
            return []
        self._unanswered.append(("", None))
        self._arm(now)
        return [Send("session-counts")]

    def path_lost(self, peer: str, now: float) -> list[Effect]:
        """BFD says that the peer cannot be reached: its session ends at once (RFC 5882, section 4.2)."""
        for table in self._tables.values():
            if table.session.name == peer and table.up:
                table.close_due = BFD_DOWN
        return self._go_on(now)

    # --- what the machine tells

    def state(self) -> BgpState:
        """Every session of the desired state, sorted by peer."""
        states = {table.session.name: table.state for table in self._tables.values()}
        found = [
            states.get(session.name)
            or SessionState(
                peer=session.name, up=False, last_error=sentence(self._last_errors.get(session.name, ""), session)
            )
            for session in self._target
        ]
        found += [
            SessionState(peer=name, up=False, phase=Phase.NOT_CONFIGURED, last_error=error)
            for name, error in self.errors.items()
        ]
        return BgpState(sessions=tuple(sorted(found, key=lambda state: state.peer)))

    # --- inside

    def _parting(self) -> list[Table]:
        """The sessions that end with this process."""
        return [table for table in self._tables.values() if self._for_good or not table.session.graceful_restart]

    def _say_last(self, routes: Mapping[str, Mapping[str, Attributes]], now: float) -> list[Effect]:
        parting = self._parting()
        self._wanted = {**self.given, **{table.session.name: routes.get(table.session.name, {}) for table in parting}}
        for table in self._tables.values():
            table.end_of_rib_due = False
            self._plan(table)
        return self._go_on(now)

    def _adopt(self, sessions: tuple[Session, ...]) -> None:
        """The daemon now has exactly these sessions; those with the same selector kept their routes."""
        before, self._tables = self._tables, {}
        for session in sessions:
            table = before.get(session.selector)
            if table is None:
                error = self._last_errors.get(session.name, "")
                table = Table(session, end_of_rib_due=session.graceful_restart, last_error=error)
            # The daemon does not see this change by itself.
            if table.session.interface != session.interface:
                table.close_due = OTHER_CONFIGURATION_CHANGE
            table.session = session
            self._tables[session.selector] = table
            self._plan(table)
        self._by_address = {str(table.session.address): table for table in self._tables.values()}

    def _plan(self, table: Table) -> None:
        table.wanted = self._wanted.get(table.session.name, {})
        table.plan()

    def _answered(self, accepted: bool) -> None:
        self.answered += 1
        if not self._unanswered:
            return
        selector, sent = self._unanswered.popleft()
        if accepted or sent is None:
            return
        self.refused += 1
        table = self._tables.get(selector)
        if table is not None:
            later = [other for name, other in self._unanswered if name == selector and other is not None]
            table.take_back(sent, later)

    def _session_changed(self, address: str, kind: SessionEvent, reason: str) -> None:
        table = self._by_address.get(address)
        if table is None:
            return
        match kind:
            case SessionEvent.UP:
                table.came_up()
                self._last_errors.pop(table.session.name, None)
            case SessionEvent.DOWN:
                table.went_down(reason)
                self._last_errors[table.session.name] = table.last_error
            case SessionEvent.CONNECTED:
                table.connected = True

    def _go_on(self, now: float) -> list[Effect]:
        if not self._running:
            return []
        effects: list[Effect] = []
        loaded = tuple(table.session for table in self._tables.values())
        if self._loading is None and loaded != self._target and not self._unanswered:
            self._loading = self._target
            effects.append(Configure(self._target))
        # A command that is still on its way could meet a session that a reload removed and another one brought back.
        waiting = self._loading is None and loaded != self._target
        for selector, table in self._tables.items():
            while not waiting and table.session in self._target and len(self._unanswered) < WINDOW:
                lines = table.next_lines()
                if not lines:
                    break
                for line, sent in lines:
                    self._unanswered.append((selector, sent))
                    effects.append(Send(line))
        self._arm(now)
        return effects

    def _arm(self, now: float) -> None:
        if not self._unanswered and self._loading is None:
            self._patience = None
        elif self._patience is None:
            self._patience = now + (RELOAD_TIME if self._loading is not None else ANSWER_TIME)

"""What the supervisor tells the speaker: sessions with the time of their last change, and counters."""

import time
from collections import Counter

import msgspec

from lb_controller.runtime.logging import logger
from speaker.bgp.child import Daemon
from speaker.bgp.reconcile import Reconciler
from speaker.bgp.sessions import Session
from speaker.ipc.bfd_client import BfdClient
from speaker.ipc.messages import BgpState, Counters

_log = logger(part="bgp")


class Reports:
    """`sessions`: those that are configured now. The shell counts `downs` by peer and `unknown` by kind of line."""

    def __init__(self, machine: Reconciler, daemon: Daemon, bfd: BfdClient) -> None:
        self._machine, self._daemon, self._bfd = machine, daemon, bfd
        self.sessions: tuple[Session, ...] = ()
        self.downs: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self._since: dict[str, tuple[bool, float]] = {}

    def name_of(self, address: str) -> str:
        """The peer of that address."""
        return next((session.name for session in self.sessions if str(session.address) == address), address)

    def stamped(self, state: BgpState) -> BgpState:
        """With the time of each session's last change, and what BFD says; a session that is new began now."""
        before, self._since = self._since, {}
        watched = {session.name for session in self.sessions if session.bfd is not None}
        stamped = []
        for entry in state.sessions:
            known = before.get(entry.peer)
            self._since[entry.peer] = since = (
                known if known is not None and known[0] == entry.up else (entry.up, time.time())
            )
            bfd = self._bfd_of(entry.peer) if entry.peer in watched else ""
            stamped.append(msgspec.structs.replace(entry, since=since[1], bfd=bfd))
        return BgpState(sessions=tuple(stamped))

    def counters(self) -> Counters:
        """What is shown under /metrics; names as in speaker.ipc.counters."""
        return Counters(
            values={
                "heraldlb_bgp_session_down_total": {name: float(number) for name, number in self.downs.items()},
                "heraldlb_bgp_commands_answered_total": {"": float(self._machine.answered)},
                "heraldlb_bgp_commands_refused_total": {"": float(self._machine.refused)},
                "heraldlb_bgp_unknown_events_total": {kind: float(number) for kind, number in self.unknown.items()},
                "heraldlb_bgp_daemon_starts_total": {"": float(self._daemon.starts)},
                **self._messages(),
            }
        )

    def _bfd_of(self, name: str) -> str:
        """The state of the BFD session, as the API shows it."""
        state = self._bfd.states.get(name)
        return "Down" if state is None else state.state

    def _messages(self) -> dict[str, dict[str, float]]:
        """How many BGP messages of each kind went to and came from each peer."""
        found: dict[str, dict[str, float]] = {}
        for address, counted in self._machine.counted.items():
            for kind, number in counted.items():
                way, _, what = kind.partition("-")
                name = f"heraldlb_bgp_{what}s_{'sent' if way == 'send' else 'received'}_total"
                found.setdefault(name, {})[self.name_of(address)] = float(number)
        return found


def log_changes(before: BgpState, after: BgpState) -> None:
    """A line for each session that came up, went down, or failed in another way."""
    known = {state.peer: state for state in before.sessions}
    for state in after.sessions:
        old = known.get(state.peer)
        if old is None or (old.up, old.last_error) != (state.up, state.last_error):
            _log.info("session", peer=state.peer, up=state.up, last_error=state.last_error)

"""One session that runs: its machine, its socket, and what is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.bfd.packet import State
from speaker.announcer.bfd.session import Session
from speaker.announcer.net.bfd.sockets import Sender
from speaker.announcer.net.bfd.values import Status, Wanted


@dataclass(slots=True, eq=False)
class Running:
    """One session with what belongs to it; `leaving`: it says AdminDown for a Detection Time and goes."""

    path: Path
    wanted: Wanted
    session: Session
    sender: Sender
    leaving: bool = False
    problem: str = ""
    failures: int = 0
    received: int = 0
    sent: int = 0
    ups: int = 0
    downs: int = 0

    @property
    def status(self) -> Status:
        session = self.session
        states = (session.session_state, session.remote_session_state)
        return Status(*states, session.local_diag, self.failures, self.problem)

    @property
    def label(self) -> str:
        return f"{self.path.peer}%{self.path.interface}" if self.path.interface else str(self.path.peer)


def counters_of(sessions: Iterable[Running]) -> dict[str, dict[str, float]]:
    """As in speaker.ipc.counters: name -> peer -> value."""
    values: dict[str, dict[str, float]] = {}
    for running in sessions:
        for name, value in (
            ("heraldlb_bfd_session_up", running.session.session_state is State.UP),
            ("heraldlb_bfd_control_packet_input_total", running.received),
            ("heraldlb_bfd_control_packet_output_total", running.sent),
            ("heraldlb_bfd_session_up_events_total", running.ups),
            ("heraldlb_bfd_session_down_events_total", running.downs),
        ):
            values.setdefault(name, {})[running.label] = float(value)
    return values

"""As much of BFD (RFC 5880) as the ownership protocol notices: three states, slow while not Up, detection."""

from dataclasses import dataclass
from random import Random

DOWN, INIT, UP = 0, 1, 2
SLOW = 1.0  # RFC 5880 6.8.3: at least one second between packets while the session is not Up
NEVER = float("inf")


@dataclass(slots=True)
class Session:
    """One session of one node."""

    state: int
    next_packet: float
    heard: float


class Bfd:
    """The sessions of one process. Packets are states: DOWN, INIT or UP."""

    def __init__(self, interval: float, multiplier: int, rng: Random) -> None:
        self.interval, self.multiplier, self.rng = interval, multiplier, rng
        self.sessions: dict[str, Session] = {}
        self._deadline: float | None = NEVER  # None: to be found out

    def watch(self, peers: frozenset[str], now: float) -> None:
        """Hold sessions with exactly these peers."""
        self._deadline = None
        for peer in self.sessions.keys() - peers:
            del self.sessions[peer]
        for peer in sorted(peers - self.sessions.keys()):
            self.sessions[peer] = Session(DOWN, now, now)

    def receive(self, peer: str, state: int, now: float) -> bool:
        """Take a packet. Returns whether there is a session that it belongs to."""
        session = self.sessions.get(peer)
        if session is None:
            return False
        session.heard, self._deadline = now, None
        before = session.state
        if state == DOWN:
            session.state = INIT if before == DOWN else DOWN if before == UP else INIT
        elif state == INIT or before != DOWN:
            session.state = UP
        if session.state != before:
            session.next_packet = now
        return True

    def forgive(self, now: float) -> None:
        """The process was late: detection times start again."""
        self._deadline = None
        for session in self.sessions.values():
            session.heard = now

    def expired(self, now: float) -> list[str]:
        """The peers whose detection time has passed."""
        found: list[str] = []
        for peer, session in self.sessions.items():
            if session.state != DOWN and now >= session.heard + self._detection(session):
                if session.state == UP:
                    found.append(peer)
                session.state, session.next_packet, self._deadline = DOWN, now, None
        return found

    def due(self, now: float) -> list[tuple[str, int]]:
        """The packets to send now."""
        packets: list[tuple[str, int]] = []
        self._deadline = None
        for peer, session in self.sessions.items():
            if session.next_packet <= now:
                packets.append((peer, session.state))
                pause = self.interval if session.state == UP else max(SLOW, self.interval)
                session.next_packet = now + pause * self.rng.uniform(0.75, 1.0)
        return packets

    def _detection(self, session: Session) -> float:
        return self.multiplier * (self.interval if session.state == UP else SLOW)

    @property
    def deadline(self) -> float:
        """When there is something to do."""
        if self._deadline is None:
            sessions = self.sessions.values()
            packets = [session.next_packet for session in sessions]
            expiries = [session.heard + self._detection(session) for session in sessions if session.state != DOWN]
            self._deadline = min(packets + expiries, default=NEVER)
        return self._deadline

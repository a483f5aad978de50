"""Two BFD sessions on a wire that loses and delays; time jumps from event to event.

Packets do not overtake each other: BFD cannot tell an old packet that says Down from a new one (but by authentication).
"""

import heapq
import random
from dataclasses import dataclass, field

from speaker.announcer.bfd.events import Changed, Dropped, Event, Heard, Received, Send, Tick
from speaker.announcer.bfd.malformed import Drop
from speaker.announcer.bfd.packet import Diagnostic, State, parse
from speaker.announcer.bfd.session import Session
from speaker.announcer.bfd.timers import Parameters

FRESH = 0  # Your Discriminator before the peer was heard


@dataclass
class End:
    """One of the two systems; `alive` False: it neither hears nor speaks."""

    parameters: Parameters
    session: Session
    alive: bool = True
    heard_at: float = 0.0
    sent: int = 0
    changes: list[tuple[float, Changed]] = field(default_factory=list)
    silences: list[tuple[float, float]] = field(default_factory=list)  # length of a fatal silence, Detection Time
    drops: list[Drop] = field(default_factory=list)

    @property
    def up(self) -> bool:
        return self.session.session_state is State.UP


class Wire:
    """`loss`: share of packets; `delay`: seconds at most, each packet its own."""

    def __init__(self, seed: int, *parameters: Parameters, loss: float = 0.0, delay: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.loss, self.delay, self.cut = loss, delay, False
        self.now = 0.0
        self._queue: list[tuple[float, int, int, bytes]] = []
        self._order = 0
        self._last = [0.0, 0.0]  # when the latest packet to each end arrives
        self.ends = [End(given, self._session(given)) for given in parameters]

    def _session(self, parameters: Parameters) -> Session:
        bits = self.random.getrandbits
        return Session(bits(32) | 1, parameters, self.random.random, sequence=bits(32))

    def restart(self, index: int) -> None:
        """The process there begins anew, with another discriminator."""
        end = self.ends[index]
        end.session = self._session(end.parameters)

    def step(self, index: int, event: Event) -> None:
        end = self.ends[index]
        detection = end.session.detection_time
        for effect in end.session.step(event, self.now):
            match effect:
                case Send(packet):
                    end.sent += 1
                    self._carry(1 - index, packet)
                case Heard():
                    end.heard_at = self.now
                case Changed(_, diagnostic, _):
                    end.changes.append((self.now, effect))
                    if diagnostic is Diagnostic.DETECTION_TIME_EXPIRED and effect.state is State.DOWN:
                        end.silences.append((self.now - end.heard_at, detection))
                case Dropped(reason):
                    end.drops.append(reason)

    def _carry(self, to: int, packet: bytes) -> None:
        if not self.cut and self.random.random() >= self.loss:
            self._order += 1
            at = self._last[to] = max(self._last[to], self.now + self.random.random() * self.delay)
            heapq.heappush(self._queue, (at, self._order, to, packet))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_of_run = self.now + seconds
        while self._one_step(end_of_run):
            pass
        self.now = end_of_run

    def run_until_up(self, within: float) -> None:
        """Until both are up."""
        end_of_run = self.now + within
        while not all(end.up for end in self.ends):
            assert self._one_step(end_of_run), f"not up after {within:g} s"

    def _one_step(self, before: float) -> bool:
        """Let one thing happen; False when nothing does until then."""
        found = self._next()
        if found is None or found[0] > before:
            return False
        self.now = max(self.now, found[0])
        if found[1] >= 0:
            self.step(found[1], Tick())
        else:
            _, _, to, packet = heapq.heappop(self._queue)
            self._arrive(to, packet)
        return True

    def _next(self) -> tuple[float, int] | None:
        """When something happens, and to whom; -1: the next packet arrives."""
        found = [
            (end.session.deadline, index)
            for index, end in enumerate(self.ends)
            if end.alive and end.session.deadline is not None
        ]
        if self._queue:
            found.append((self._queue[0][0], -1))
        return min(found, default=None)  # type: ignore[type-var]

    def _arrive(self, to: int, packet: bytes) -> None:
        end, control = self.ends[to], parse(packet)
        if end.alive and control.your_discriminator in (FRESH, end.session.local_discr):
            self.step(to, Received(control, packet))

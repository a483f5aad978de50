"""The LAN: who hears whom, how late, and how often. `CLIENT` is an endpoint like the nodes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of the link: probabilities, seconds."""

    loss: float = 0.0
    delay: tuple[float, float] = (0.0001, 0.001)
    reordered: float = 0.0
    reordered_by: float = 0.03
    duplicated: float = 0.0
    hiccups: float = 0.0  # of all wake-ups, each 20 to 200 ms long

    @property
    def noisy(self) -> bool:
        return bool(self.loss or self.hiccups)


class Lan:
    """Carries anything from one endpoint to others. Calls `deliver(at, to, item)` for each copy that arrives."""

    def __init__(self, quality: Quality, rng: Random, deliver: Callable[[float, str, object], None]) -> None:
        self.quality, self.rng, self.deliver = quality, rng, deliver
        self.endpoints: list[str] = []
        self.carrierless: set[str] = set()
        self.deaf: set[str] = set()
        self.mute: set[str] = set()
        self.cuts: Counter[tuple[str, str]] = Counter()
        self.sent: Counter[str] = Counter()
        self._last: dict[tuple[str, str], float] = {}

    def reaches(self, sender: str, receiver: str) -> bool:
        """Whether a frame gets from one to the other."""
        gone = self.carrierless
        return not (
            sender in self.mute
            or receiver in self.deaf
            or sender in gone
            or receiver in gone
            or self.cuts.get((sender, receiver))
        )

    def meets(self, one: str, other: str) -> bool:
        """Whether both hear each other."""
        return self.reaches(one, other) and self.reaches(other, one)

    def send(self, now: float, sender: str, receiver: str | None, item: object) -> None:
        """One frame to one endpoint, or to all nodes."""
        if sender in self.mute or sender in self.carrierless:
            return
        receivers = self.endpoints if receiver is None else (receiver,)
        quality, rng = self.quality, self.rng
        low, high = quality.delay
        for to in receivers:
            if to == sender or not self.reaches(sender, to):
                continue
            copies = 2 if quality.duplicated and rng.random() < quality.duplicated else 1
            for _ in range(copies):
                if quality.loss and rng.random() < quality.loss:
                    continue
                # Switches keep the order between two hosts; what is reordered is reordered on purpose.
                at = max(now + low + (high - low) * rng.random(), self._last.get((sender, to), 0.0))
                if quality.reordered and rng.random() < quality.reordered:
                    at += quality.reordered_by * rng.random()
                else:
                    self._last[sender, to] = at
                self.deliver(at, to, item)

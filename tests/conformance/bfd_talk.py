"""One session and a hand that writes its peer's packets; time jumps from deadline to deadline."""

from dataclasses import replace
from typing import Any

from speaker.announcer.bfd.authentication import Authentication, seal
from speaker.announcer.bfd.events import Changed, Configure, Dropped, Event, Heard, Received, Send, Tick
from speaker.announcer.bfd.malformed import Drop
from speaker.announcer.bfd.packet import Control, State, encode, parse
from speaker.announcer.bfd.session import Session
from speaker.announcer.bfd.timers import Parameters

OURS, THEIRS = 0x0A0A0A0A, 0x0B0B0B0B


class Talk:
    """`sent`: what the session said, with the time; the other lists: its other effects."""

    def __init__(self, *, chance: float = 0.5, sequence: int = 0, **parameters: Any) -> None:
        given = {"desired_min_tx": 200_000, "required_min_rx": 200_000, **parameters}
        self.session = Session(OURS, Parameters(**given), lambda: chance, sequence=sequence)
        self.now = 1000.0
        self.sent: list[tuple[float, Control]] = []
        self.raw: list[bytes] = []
        self.changes: list[Changed] = []
        self.heard: list[Heard] = []
        self.drops: list[Drop] = []

    def step(self, event: Event) -> list[Control]:
        """What is sent at once."""
        before = len(self.sent)
        for effect in self.session.step(event, self.now):
            match effect:
                case Send(packet):
                    self.raw.append(packet)
                    self.sent.append((self.now, parse(packet)))
                case Changed():
                    self.changes.append(effect)
                case Heard():
                    self.heard.append(effect)
                case Dropped(reason):
                    self.drops.append(reason)
        return [control for _, control in self.sent[before:]]

    def begin(self) -> "Talk":
        self.step(Tick())
        return self

    def receive(
        self, state: State, *, sealed: tuple[Authentication, int] | None = None, **fields: Any
    ) -> list[Control]:
        """The peer says this; returns what is answered at once."""
        given = {"detect_mult": 3, "desired_min_tx": 200_000, "required_min_rx": 200_000, "your_discriminator": OURS}
        control = Control(state=state, my_discriminator=THEIRS, **{**given, **fields})
        payload = encode(control) if sealed is None else seal(control, *sealed)
        return self.step(Received(parse(payload), payload))

    def advance(self, seconds: float) -> list[tuple[float, Control]]:
        """Let time pass; returns what was sent, with the time since the beginning of the wait."""
        begin, end, before = self.now, self.now + seconds, len(self.sent)
        while (deadline := self.session.deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.step(Tick())
            after = self.session.deadline
            assert after is None or after > self.now, "the machine asks for the same moment for ever"
        self.now = end
        return [(at - begin, control) for at, control in self.sent[before:]]

    def bring_up(self, **fields: Any) -> "Talk":
        """Three-way handshake; the peer agrees on the new intervals."""
        self.begin()
        self.receive(State.DOWN, your_discriminator=0, desired_min_tx=1_000_000, **fields)
        self.receive(State.INIT, desired_min_tx=1_000_000, **fields)
        assert self.state is State.UP
        self.receive(State.UP, final=True, **fields)
        self.receive(State.UP, **fields)
        assert not self.session.poll.active
        return self

    def configure(self, **changes: Any) -> list[Control]:
        return self.step(Configure(replace(self.session.parameters, **changes)))

    @property
    def state(self) -> State:
        return self.session.session_state

    @property
    def last(self) -> Control:
        return self.sent[-1][1]

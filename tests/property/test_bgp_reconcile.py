"""Whatever happens in whatever order, the daemon ends up with exactly what is wanted.

The daemon is simulated: it answers commands in order and as late as it likes, reloads when it is told, refuses some
prefixes, and may die at any time. It shares no code with the machine but the text of the commands.
"""

import random
from collections import deque
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bgp.commands import Attributes
from speaker.bgp.effects import Configure, Effect, Restart, Send
from speaker.bgp.events import Answer, Reloaded, SessionChanged, SessionEvent
from speaker.bgp.reconcile import WINDOW, Reconciler
from speaker.bgp.sessions import Session
from tests.unit.speaker.bgp.samples import session

SESSIONS = [session(name, f"192.0.2.{number}") for number, name in enumerate("abc", start=1)]
CHANGED = [session(name, f"192.0.2.{number}", local_asn=65010) for number, name in enumerate("abc", start=1)]
BAD = "10.0.0.7/32"


class SimulatedDaemon:
    """What ExaBGP does, as far as the machine can see it."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.tables: dict[str, dict[str, str]] = {entry.selector: {} for entry in sessions}
        self.commands: deque[str] = deque()
        self.configuration: tuple[Session, ...] | None = None

    def take(self, effect: Effect) -> None:
        match effect:
            case Send(line):
                self.commands.append(line)
                assert len(self.commands) <= WINDOW + 1
            case Configure(sessions):
                assert self.configuration is None, "two reloads at once"
                self.configuration = sessions
            case Restart():
                raise AssertionError("nothing here calls for another daemon")

    def answer(self) -> Answer:
        line = self.commands.popleft()
        for verb in ("announce", "withdraw"):
            selector, found, rest = line.partition(f" {verb} attributes ")
            if not found:
                continue
            words, _, prefixes = rest.partition(" nlri ")
            if selector not in self.tables or (verb == "announce" and BAD in prefixes.split()):
                return Answer(False)
            for prefix in prefixes.split():
                if verb == "announce":
                    self.tables[selector][prefix] = words
                else:
                    self.tables[selector].pop(prefix, None)
        return Answer(True)

    def reload(self) -> Reloaded:
        assert self.configuration is not None
        before = self.tables
        self.tables = {entry.selector: before.get(entry.selector, {}) for entry in self.configuration}
        self.configuration = None
        return Reloaded(True)


class World:
    """Machine and daemon; `step` is one thing that happens."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.machine = Reconciler()
        self.daemon: SimulatedDaemon | None = None
        self.sessions: tuple[Session, ...] = ()
        self.routes: Mapping[str, Mapping[str, Attributes]] = {}

    def carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            assert self.daemon is not None
            self.daemon.take(effect)

    def step(self) -> None:
        steps = [self.want, self.want, self.answer, self.answer, self.answer, self.reload, self.flap, self.die_or_start]
        self.chance.choice(steps)()

    def want(self) -> None:
        chosen = [
            self.chance.choice(pair) for pair in zip(SESSIONS, CHANGED, strict=True) if self.chance.random() < 0.7
        ]
        self.sessions = tuple(chosen) if self.chance.random() < 0.3 else self.sessions
        self.routes = {entry.name: self.some_routes() for entry in self.sessions}
        self.carry_out(self.machine.want(self.sessions, self.routes, {}, 0))

    def some_routes(self) -> dict[str, Attributes]:
        meds = (None, 1, 2)
        return {
            f"10.0.0.{number}/32": Attributes("192.0.2.11", med=self.chance.choice(meds))
            for number in range(12)
            if self.chance.random() < 0.6
        }

    def answer(self) -> None:
        if self.daemon is not None and self.daemon.commands:
            self.carry_out(self.machine.heard(self.daemon.answer(), 0))

    def reload(self) -> None:
        if self.daemon is not None and self.daemon.configuration is not None:
            self.carry_out(self.machine.heard(self.daemon.reload(), 0))

    def flap(self) -> None:
        if self.daemon is not None:
            event = self.chance.choice(list(SessionEvent))
            self.carry_out(self.machine.heard(SessionChanged(f"192.0.2.{self.chance.randint(1, 3)}", event), 0))

    def die_or_start(self) -> None:
        if self.daemon is not None:
            self.daemon = None
            self.machine.lost("it was killed")
        else:
            self.daemon = SimulatedDaemon(self.sessions)
            self.carry_out(self.machine.started(self.sessions, 0))

    def settle(self) -> None:
        if self.daemon is None:
            self.die_or_start()
        assert self.daemon is not None
        for _ in range(2000):
            if not self.daemon.commands and self.daemon.configuration is None:
                return
            self.answer()
            self.reload()
        raise AssertionError("the machine never comes to rest")


@settings(max_examples=150)
@given(st.integers(min_value=0, max_value=2**32))
def test_the_daemon_ends_up_with_what_is_wanted(seed: int) -> None:
    world = World(random.Random(seed))
    for _ in range(60):
        world.step()
    world.settle()
    assert world.machine.settled
    assert world.daemon is not None
    expected = {
        entry.selector: {
            prefix: f"next-hop 192.0.2.11{'' if value.med is None else f' med {value.med}'}"
            for prefix, value in world.routes[entry.name].items()
            if prefix != BAD
        }
        for entry in world.sessions
    }
    assert world.daemon.tables == expected
    counts = {state.peer: state.routes for state in world.machine.state().sessions}
    assert counts == {entry.name: len(expected[entry.selector]) for entry in world.sessions}

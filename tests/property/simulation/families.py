"""Random worlds with random faults: `mixed` (anything befalls anybody) and `calm` (one node is spared, and must keep
answering at every moment)."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from speaker.announcer.ownership.events import Unwilling
from tests.property.simulation.checks import Broken, TooManyBroken
from tests.property.simulation.lan import Quality
from tests.property.simulation.pace import Runaway
from tests.property.simulation.world import Setting, World

SETTLED = 2.5  # seconds until faults begin
TAIL = 3.0  # seconds after the last one
Undo = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed showed."""

    family: str
    seed: int
    broken: tuple[Broken, ...]
    longest_gap: float
    longest_double: float
    story: tuple[str, ...]


def setting_of(rng: Random, *, least: int) -> Setting:
    """A world of any size and quality."""
    nodes = max(least, rng.choice((2, 3, 3, 3, 4, 5, 5, 7, 9, 9) if rng.random() < 0.97 else (20,)))
    quality = Quality(
        loss=rng.choice((0.0, 0.0, 0.01, 0.03, 0.05)),
        delay=(0.0001, rng.choice((0.001, 0.005, 0.02))),
        reordered=rng.choice((0.0, 0.02)),
        duplicated=rng.choice((0.0, 0.02)),
        hiccups=rng.choice((0.0, 0.0, 0.002)),
    )
    return Setting(
        nodes=nodes,
        addresses=rng.choice((1, 2, 3, 8, 20, 50)),
        shortlist=rng.choice((None, None, 2, 3)),
        quality=quality,
        coded=rng.random() < 0.1,
        failback=least == 2 and rng.random() < 0.1,
        fresh=rng.random() < 0.2,
    )


class Story:
    """Faults of one run, told as they happen."""

    def __init__(self, world: World, rng: Random, spared: str | None) -> None:
        self.world, self.rng, self.spared = world, rng, spared
        self.lines: list[str] = []
        self.victims = [name for name in world.names if name != spared]

    def tell(self, text: str) -> None:
        self.lines.append(f"{self.world.now:.3f} {text}")

    def strike(self) -> None:
        """One fault now, and its end later."""
        name = self.rng.choice(self.victims)
        kinds = ["kill", "kill", "freeze", "isolate", "carrier", "deaf", "mute", "drain", "brain", "flap", "leave"]
        if len(self.victims) > 1:
            kinds += ["cut", "one_way"]
        if self.spared is None:
            kinds += ["split", "candidates", "candidates"]
        kind = self.rng.choice(kinds)
        lasts = self.rng.choice((0.05, 0.2, 0.5, 0.7, 1.0, 1.5, 3.0)) * self.rng.uniform(0.8, 1.2)
        self.tell(f"{kind} {name} for {lasts:.3f}")
        undo: Undo | None = getattr(self, f"_{kind}")(name, lasts)
        if undo is not None:
            self.world.at(self.world.now + lasts, self._undo, kind, name, undo)

    def _undo(self, kind: str, name: str, undo: Undo) -> None:
        self.tell(f"end of {kind} {name}")
        undo()

    def _other(self, name: str) -> str:
        return self.rng.choice([other for other in self.victims if other != name])

    def _kill(self, name: str, _: float) -> Undo:
        self.world.kill(name)
        remembers, knows = self.rng.random() < 0.6, self.rng.random() < 0.5
        return lambda: self.world.start(name, remembers=remembers, knows=knows)

    def _leave(self, name: str, _: float) -> Undo:
        self.world.leave(name)
        return lambda: self.world.start(name, remembers=True)

    def _freeze(self, name: str, _: float) -> Undo:
        self.world.freeze(name)
        return lambda: self.world.thaw(name)

    def _isolate(self, name: str, _: float) -> Undo:
        self.world.split({name})
        return lambda: self.world.split({name}, by=-1)

    def _split(self, name: str, _: float) -> Undo:
        names = self.world.names
        side = {name, *self.rng.sample(names, self.rng.randrange(len(names) - 1))}
        self.world.split(side)
        return lambda: self.world.split(side, by=-1)

    def _carrier(self, name: str, _: float) -> Undo:
        self.world.set_carrier(name, up=False)
        return lambda: self.world.set_carrier(name, up=True)

    def _deaf(self, name: str, _: float) -> Undo:
        self.world.set_deaf(name, deaf=True)
        return lambda: self.world.set_deaf(name, deaf=False)

    def _mute(self, name: str, _: float) -> Undo:
        self.world.set_mute(name, mute=True)
        return lambda: self.world.set_mute(name, mute=False)

    def _cut(self, name: str, _: float) -> Undo:
        other = self._other(name)
        self.world.cut(name, other)
        return lambda: self.world.cut(name, other, by=-1)

    def _one_way(self, name: str, _: float) -> Undo:
        other = self._other(name)
        self.world.cut(name, other, both=False)
        return lambda: self.world.cut(name, other, both=False, by=-1)

    def _drain(self, name: str, _: float) -> Undo:
        self.world.decline(name, Unwilling.DRAIN)
        return lambda: self.world.decline(name)

    def _brain(self, _: str, __: float) -> None:
        """The brain restarts: the machine's inputs do not change."""

    def _flap(self, name: str, _: float) -> None:
        pause = self.rng.choice((0.02, 0.1, 0.3))
        for number in range(20):
            at = self.world.now + number * pause
            self.world.at(at, self.world.split, {name})
            self.world.at(at + pause / 2, lambda: self.world.split({name}, by=-1))

    def _candidates(self, _: str, __: float) -> None:
        names = self.world.names
        for address in self.rng.sample(self.world.addresses, min(3, len(self.world.addresses))):
            order = self.rng.sample(names, self.rng.randint(1, len(names)))
            self.world.set_candidates(address, tuple(order), within=self.rng.choice((0.0, 1.0)))


def run(family: str, seed: int) -> Outcome:
    """One seed of a family."""
    return _play(family, seed, record=False)[0]


def trace(family: str, seed: int) -> str:
    """A digest of everything that was said and answered in one seed."""
    outcome, world = _play(family, seed, record=True)
    told = (outcome, world.recorded, world.checks.moves, world.checks.gaps, world.checks.doubles, world.reported)
    return sha256(repr(told).encode()).hexdigest()


def _play(family: str, seed: int, *, record: bool) -> tuple[Outcome, World]:
    rng = Random(f"{family}/{seed}")
    setting = setting_of(rng, least=3 if family == "calm" else 2)
    world = World(f"{family}/{seed}", setting)
    world.recording = record
    spared = rng.choice(world.names) if family == "calm" else None
    world.checks.forgiving = spared is None
    story = Story(world, rng, spared)
    story.tell(f"{setting} spared: {spared}")
    world.start_all(within=rng.choice((0.0, 0.3, 1.0)))
    settled = SETTLED + (1.5 if setting.fresh else 0.0)
    at = settled
    for _ in range(rng.randint(1, 3)):
        world.at(at, story.strike)
        at += rng.choice((0.005, 0.05, 0.2, 0.3, 0.6, 0.7, 0.9, 1.2)) * rng.uniform(0.8, 1.2)
    try:
        world.run(settled)
        world.checks.protect(spared)
        world.run(at + 0.001)
        while world.now < world.checks.last_fault + TAIL or world.pending_faults():
            world.run_for(0.5)
        world.run_for(2.0 * bool(setting.quality.loss) + 5.0 * setting.failback)
        for _ in range(3 * bool(setting.quality.loss)):  # a HELLO, a question or its answer may be lost
            if world.checks.misunderstandings():
                world.run_for(2.0)
        world.checks.finish()
    except TooManyBroken:
        pass
    except Runaway as error:
        world.checks.broken.append(Broken("Runaway", world.now, str(error)))
    checks = world.checks
    outcome = Outcome(family, seed, tuple(checks.broken), checks.longest_gap, checks.longest_double, tuple(story.lines))
    return outcome, world

"""The invariants of docs/explanation/ownership.md, looked at after every change and every 20 ms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lb_controller.model.address import Address
from speaker.announcer.ownership.messages import Claims, Key, Message, Strength, key_of
from tests.property.simulation.lan import CLIENT

if TYPE_CHECKING:
    from tests.property.simulation.node import Node
    from tests.property.simulation.world import World

NEVER = float("-inf")
DOUBLE, DOUBLE_AFTER, GAP, NOISE = 0.8, 1.5, 1.3, 0.7  # seconds: I1, I1, I2, and what noise adds
CAUSE_WITHIN = 3.0  # seconds: I3
NEW = 0.6  # seconds: three probes, I2
SETTLING = 1.0  # seconds: I3, after a takeover


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken invariant."""

    invariant: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f}: {self.text}"


class Checks:
    """Watches one world. `protected`: a node that nothing befalls (I4)."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.broken: list[Broken] = []
        self.last_fault = 0.0
        self.touched: dict[str, float] = {}
        self.started_at = NEVER
        self.protected: str | None = None
        self.kept: set[Address] = set()  # what the protected node held when the faults began
        self.forgiving = False  # the mixed family: a node with a cut path is excused (I3)
        self._stated: dict[tuple[str, Key], int] = {}  # the strength of the last claim that a node stated
        self._owner: dict[Address, str] = {}
        self._taken: dict[Address, float] = {}
        self._gaps: dict[Address, float] = dict.fromkeys(world.addresses, 0.0)
        self._doubles: dict[tuple[Address, str, str], float] = {}
        self.gaps: list[tuple[Address, float, float]] = []  # address, since, seconds
        self.doubles: list[float] = []
        self.moves: list[tuple[float, Address, str, str]] = []

    # --- what happens

    def protect(self, name: str | None) -> None:
        """From now on only others suffer."""
        self.protected = name
        if name is not None:
            self.kept = set(self.world.nodes[name].answering)

    def fault(self, name: str, *, started: bool = False) -> None:
        """Something befalls a node."""
        now = self.world.now
        self.last_fault = now
        self.touched[name] = now
        if started:
            self.started_at = now

    def answers_changed(self, node: "Node", addresses: frozenset[Address]) -> None:
        """A node begins or ends to answer for these."""
        for address in sorted(addresses):
            self._look_at(address)
            if self.protected == node.name and address in self.kept and address not in node.answering:
                self._break("I4", f"{node.name} stopped answering {address} though only others suffered")

    def said(self, name: str, message: Message) -> None:
        """A node sends a datagram."""
        if isinstance(message.body, Claims):
            self._stated.update({(name, key): claim.strength for key, claim in message.body.entries})

    def topology_changed(self) -> None:
        for address in self.world.addresses:
            self._look_at(address)

    def answered(self, node: "Node") -> None:
        """An answer leaves a process."""
        machine = node.machine
        if machine is None or node.frozen or machine.silent or machine.woke != self.world.now:
            self._break("I6", f"{node.name} answered without having looked at its loop gap")

    # --- invariants

    def _break(self, invariant: str, text: str) -> None:
        self.broken.append(Broken(invariant, self.world.now, text))

    def visible(self, address: Address) -> list[str]:
        lan = self.world.lan
        return [
            name for name, node in self.world.nodes.items() if address in node.answering and lan.meets(CLIENT, name)
        ]

    def _look_at(self, address: Address) -> None:
        now = self.world.now
        visible = self.visible(address)
        owner = self._owner.get(address)
        if visible and owner not in visible:
            self._moved(address, owner, visible[0])
        if visible:
            since = self._gaps.pop(address, None)
            if since is not None:
                self.gaps.append((address, since, now - since))
        elif address not in self._gaps:
            self._gaps[address] = now
        self._pair(address)

    def _moved(self, address: Address, owner: str | None, to: str) -> None:
        now, self._owner[address] = self.world.now, to
        taken, self._taken[address] = self._taken.get(address, NEVER), now
        if owner is None:
            return
        self.moves.append((now, address, owner, to))
        if now - taken < SETTLING:
            return  # two claimed it before they heard each other
        if not self._excused(owner, address) and not self._was_weak(owner, address):
            self._break("I3", f"{address} moved from {owner} to {to} without a cause")

    def _was_weak(self, owner: str, address: Address) -> bool:
        """The owner had no majority when it claimed: a claim of before, made with one, comes back and wins.

        What the protected node held when the faults began is not excused. What it took while they lasted is: of three
        nodes one deaf and one frozen, the third hears no majority, and the deaf one does not know that it lost (calm
        40092; mute, and carrier lost: calm 40117).
        """
        lately = self.world.now - self.last_fault <= CAUSE_WITHIN  # later it had a majority again, and said so
        weak = self._stated.get((owner, key_of(address))) == Strength.WEAK
        return weak and lately and address not in self.kept

    def _excused(self, name: str, address: Address) -> bool:
        world, now = self.world, self.world.now
        node = world.nodes[name]
        # Of two nodes neither knows which of them was cut off.
        suffered = max(self.touched.values(), default=NEVER) if len(world.nodes) == 2 else self.touched.get(name, NEVER)
        if now - max(suffered, self.started_at) <= CAUSE_WITHIN:
            return True
        if node.machine is None or node.declines or node.leaving or node.frozen or world.failback:
            return True
        entry = node.entries.get(address)
        if entry is None or name not in entry.candidates:
            return True  # it has to give it away, and its heir may have been cut off for longer (mixed 30183)
        if self.forgiving:
            return any(not world.lan.meets(name, other) for other in [*world.names, CLIENT] if other != name)
        return False

    def _pair(self, address: Address) -> None:
        now = self.world.now
        answering = [name for name, node in self.world.nodes.items() if address in node.answering]
        pairs = [(address, one, other) for one in answering for other in answering if one < other]
        meeting = [pair for pair in pairs if self._meet(pair[1], pair[2])]
        for pair in [pair for pair in self._doubles if pair[0] == address and pair not in meeting]:
            self.doubles.append(now - self._doubles.pop(pair))
        for pair in meeting:
            self._doubles.setdefault(pair, now)

    def _meet(self, one: str, other: str) -> bool:
        """Directly, or both meet a witness."""
        lan, nodes = self.world.lan, self.world.nodes
        if lan.meets(one, other):
            return True
        if len(nodes) > 7:
            return False  # the common witness must watch them: too strict to be demanded of a random cut
        return any(lan.meets(one, name) and lan.meets(other, name) and node.running for name, node in nodes.items())

    def look(self) -> None:
        """What only time breaks."""
        world, now = self.world, self.world.now
        noise = NOISE if world.lan.quality.noisy else 0.0
        for (address, one, other), since in self._doubles.items():
            lasting = now - max(since, self.last_fault)
            settled = now - self.last_fault > DOUBLE_AFTER + noise and not world.failback  # a planned move overlaps
            if lasting > DOUBLE + noise or settled:
                self._break("I1", f"{one} and {other} both answer {address} since {since:.3f}")
        # To who starts after its owner died, an address that is said to be new is one: the link is asked for longer.
        most = GAP + noise + (NEW if world.setting.fresh else 0.0)
        for address, since in self._gaps.items():
            if now - max(since, self.last_fault) > most and self._somebody_could(address):
                self._break("I2", f"nobody answers {address} since {since:.3f}")
        if len(self.broken) > 20:
            raise TooManyBroken

    def _somebody_could(self, address: Address) -> bool:
        world = self.world
        for name, node in world.nodes.items():
            entry = node.entries.get(address)
            if entry is None or not node.running or node.declines or node.leaving or name not in entry.candidates:
                continue
            assert node.machine is not None
            held_elsewhere = address in world.foreign or address in node.machine.quarantined
            if world.lan.meets(CLIENT, name) and not held_elsewhere:
                return True
        return False

    def finish(self) -> None:
        """I7: what a running node knows of another that it meets is what that one claims."""
        for one, other in self.misunderstandings():
            self._break("I7", f"{one} knows other claims of {other} than it has")
        if self._doubles:
            self.doubles += [self.world.now - since for since in self._doubles.values()]

    def misunderstandings(self) -> list[tuple[str, str]]:
        """Who knows other claims of whom than it has."""
        world, found = self.world, []
        running = [node for node in world.nodes.values() if node.running and node.machine and not node.machine.silent]
        for node in running:
            for other in running:
                if node is other or not world.lan.meets(node.name, other.name):
                    continue
                assert node.machine is not None
                assert other.machine is not None
                if node.machine.known(other.name) != other.machine.known(other.name):
                    found.append((node.name, other.name))
        return found

    @property
    def longest_gap(self) -> float:
        ended = [seconds for _, _, seconds in self.gaps]
        return max([*ended, *(self.world.now - since for since in self._gaps.values())], default=0.0)

    @property
    def longest_double(self) -> float:
        return max([*self.doubles, *(self.world.now - since for since in self._doubles.values())], default=0.0)

    def forget(self) -> None:
        """Begin to measure now."""
        self.gaps.clear()
        self.doubles.clear()
        self.moves.clear()


class TooManyBroken(Exception):
    """There is nothing more to learn from this run."""

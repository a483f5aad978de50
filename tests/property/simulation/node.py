"""One node: a kernel that queues what comes, and a process (machine and BFD) that may be frozen, killed or slow."""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from lb_controller.model.address import Address
from speaker.announcer.ownership.events import (
    Announce,
    Answered,
    Asked,
    Carrier,
    Claimed,
    Decline,
    Effect,
    Event,
    Expired,
    Forgive,
    Gratuitous,
    Heard,
    Left,
    Members,
    Own,
    Probe,
    Received,
    Release,
    Send,
    Unwilling,
    Watch,
)
from speaker.announcer.ownership.machine import Identity, Machine, Memory
from speaker.announcer.ownership.messages import Message
from tests.property.simulation.bfd import Bfd

if TYPE_CHECKING:
    from tests.property.simulation.world import World

LINK = "eth0"
QUEUE = 2000  # what a kernel keeps for a process that does not read
FOREIGN = "a foreign host"


@dataclass(frozen=True, slots=True)
class BfdPacket:
    sender: str
    state: int


@dataclass(frozen=True, slots=True)
class Ask:
    """An ARP request or a neighbour solicitation."""

    sender: str
    address: Address


@dataclass(frozen=True, slots=True)
class Answer:
    sender: str
    address: Address


@dataclass(frozen=True, slots=True)
class Announcement:
    """A gratuitous frame."""

    sender: str
    address: Address


def carrier(*, up: bool) -> Carrier:
    """The only interface of a node has carrier or not."""
    return Carrier(frozenset({LINK} if up else ()), meets=up)


class Node:
    """Everything of one node. Processes come and go; what the brain said and the snapshot stay."""

    def __init__(self, name: str, world: "World") -> None:
        self.name, self.world = name, world
        self.entries: dict[Address, Announce] = {}  # the brain's word
        self.declines: frozenset[Unwilling] = frozenset()
        self.memory = Memory()
        self.remembered: dict[Address, Announce] = {}
        self.machine: Machine | None = None
        self.bfd: Bfd | None = None
        self.started = 0.0
        self.left = False
        self.leaving = False
        self.frozen = False
        self.busy_until = 0.0
        self.queue: list[object] = []
        self.wake_at = float("inf")
        self.alarm_at = float("inf")  # the earliest time at which the world looks whether it is to be woken
        self.answering: frozenset[Address] = frozenset()
        self.effects: list[Effect] = []
        self.rng = Random(f"{world.seed}/{name}")

    # --- life of the process

    def start(self, *, remembers: bool = False, knows: bool = True) -> None:
        """A new process; `remembers`: from the snapshot; `knows`: its brain speaks at once."""
        world = self.world
        identity = Identity(node=self.name, failback=world.failback)
        memory = self.memory if remembers else None
        boots = self.rng.getrandbits
        self.machine = Machine(identity, world.timers, lambda: boots(64) | 1, world.now, memory)
        self.bfd = Bfd(world.interval, world.multiplier, self.rng)
        self.started, self.queue = world.now, []
        self.frozen = self.left = self.leaving = False
        events: list[Event] = [Members(frozenset(world.names)), Decline(self.declines)]
        events += (self.remembered if remembers else self.entries if knows else {}).values()
        self.step([*events, carrier(up=self.name not in world.lan.carrierless)])

    def kill(self) -> None:
        self.remember()
        self.machine = self.bfd = None
        self.queue.clear()
        self.wake_at = float("inf")
        self.observe()

    def remember(self) -> None:
        """Write the snapshot, as it is done on every change."""
        if self.machine is not None:
            self.memory, self.remembered = self.machine.memory, dict(self.entries)

    def freeze(self) -> None:
        self.frozen = True
        self.observe()

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            if self.machine is not None:
                self.wake()

    @property
    def running(self) -> bool:
        return self.machine is not None and not self.frozen

    def tell(self, *events: Event) -> None:
        """The brain speaks (it is another process: the socket keeps its word while this one is frozen)."""
        for event in events:
            self.arrive(event)

    # --- wake-ups

    def arrive(self, item: object) -> None:
        """Something reached the node."""
        if self.machine is None:
            return
        if len(self.queue) < QUEUE or isinstance(item, Announce | Decline | Members):
            self.queue.append(item)
        if not self.frozen:
            self.wake()

    def wake(self) -> None:
        world = self.world
        if world.now < self.busy_until:
            world.wake_later(self, self.busy_until)
            return
        # Two hiccups in a row would be one of up to 0.4 s: a freeze, and a frozen owner is not spared (calm 30138).
        ended = world.now == self.busy_until
        if world.lan.quality.hiccups and self.rng.random() < world.lan.quality.hiccups and not ended:
            self.busy_until = world.now + self.rng.uniform(0.02, 0.2)
            world.wake_later(self, self.busy_until)
            return
        items, self.queue = self.queue, []
        asks: list[Ask] = []
        events = [event for item in items if (event := self._event(item, asks)) is not None]
        self.step(events)
        for ask in asks:
            self._answer(ask)

    def _event(self, item: object, asks: list[Ask]) -> Event | None:
        assert self.bfd is not None
        match item:
            case BfdPacket(sender, state):
                known = self.bfd.receive(sender, state, self.world.now)
                return Heard(sender, two_way=state != 0) if known else None
            case Message():
                return Received(item)
            case Ask(sender, address):
                asks.append(item)
                return Asked(address, sender) if sender in self.world.nodes else None
            case Answer(sender, address):
                member = sender if sender in self.world.nodes else None
                return Answered(address, member, b"\2\0\0\0\0\1")
            case Announcement(sender, address):
                return Claimed(address, sender if sender in self.world.nodes else None, b"\2\0\0\0\0\1")
            case _:
                return item  # type: ignore[return-value]

    def step(self, events: list[Event]) -> None:
        """One wake-up: everything read, then timers, then BFD."""
        world, machine, bfd = self.world, self.machine, self.bfd
        assert machine is not None
        assert bfd is not None
        now = world.now
        self._carry_out(machine.step(events, now))
        if bfd.deadline <= now:
            expired: list[Event] = [Expired(peer) for peer in bfd.expired(now)]
            if expired:
                self._carry_out(machine.step(expired, now))
            for peer, state in bfd.due(now):
                world.lan.sent["bfd"] += 1
                world.lan.send(now, self.name, peer, BfdPacket(self.name, state))
        if self.left:
            self.kill()
            return
        ours, theirs = machine.deadline, bfd.deadline
        world.wake_later(self, ours if ours < theirs else theirs)

    def _carry_out(self, effects: list[Effect]) -> None:
        if not effects:
            self.observe(changed=False)
            return
        changed = False
        for effect in effects:
            if isinstance(effect, Send):
                self.world.send(self, effect.message, effect.to)
            else:
                changed |= isinstance(effect, Own | Release)
                self._do(effect)
        if changed:
            self.remember()
        self.observe(changed=changed)

    def _do(self, effect: Effect) -> None:
        world, now, bfd = self.world, self.world.now, self.bfd
        assert bfd is not None
        match effect:
            case Own(address) | Gratuitous(address):
                world.lan.send(now, self.name, None, Announcement(self.name, address))
            case Probe(address):
                world.lan.sent["probe"] += 1
                world.ask(self.name, address)
            case Watch(peers):
                bfd.watch(peers, now)
            case Forgive():
                bfd.forgive(now)
            case Left():
                self.left = True
            case _:
                world.reported.append((now, self.name, effect))

    def _answer(self, ask: Ask) -> None:
        """The announcer answers ARP."""
        machine = self.machine
        if machine is not None and not machine.silent and ask.address in self.answering:
            self.world.checks.answered(self)
            self.world.lan.send(self.world.now, self.name, ask.sender, Answer(self.name, ask.address))

    def observe(self, *, changed: bool = True) -> None:
        """Tell the world for which addresses this node answers now."""
        machine = self.machine
        if machine is None or self.frozen or machine.silent or self.name in self.world.lan.carrierless:
            now_answering: frozenset[Address] = frozenset()
        elif changed or (not self.answering and machine.known(self.name)[0]):
            now_answering = frozenset(machine.owned)
        else:
            return
        if now_answering != self.answering:
            before, self.answering = self.answering, now_answering
            self.world.checks.answers_changed(self, before ^ now_answering)

"""The simulated world: nodes, the LAN, foreign hosts, time that jumps from event to event, and the faults."""

import copy
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from random import Random

from lb_controller.model.address import Address
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.events import Announce, Decline, Effect, Event, Leave, Unwilling, Withdraw
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.machine import Machine
from speaker.announcer.ownership.messages import Message
from speaker.announcer.ownership.timers import Timers
from speaker.decide.ranking import rank
from tests.property.simulation.bfd import Bfd
from tests.property.simulation.checks import Checks
from tests.property.simulation.lan import CLIENT, Lan, Quality
from tests.property.simulation.node import FOREIGN, LINK, Announcement, Answer, Ask, Node, carrier
from tests.property.simulation.pace import Pace

KEYRING = Keyring({1: b"simulated"}, 1, cluster="c", link=LINK)
SAMPLE = 0.02  # seconds between looks at invariants that only time breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a world is made of. `coded`: every datagram goes through the codec."""

    nodes: int = 3
    addresses: int = 1
    shortlist: int | None = None  # candidates per address, None: all
    quality: Quality = field(default_factory=Quality)
    interval: float = 0.2
    multiplier: int = 3
    coded: bool = False
    failback: bool = False
    fresh: bool = False


class World:
    """One run. Everything random comes from `seed`."""

    def __init__(self, seed: object, setting: Setting) -> None:
        self.seed, self.setting = seed, setting
        self.rng = Random(f"{seed}/world")
        self.now = 0.0
        self.interval, self.multiplier, self.failback = setting.interval, setting.multiplier, setting.failback
        self.timers = Timers.of(setting.interval, setting.multiplier)
        self._heap: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._order = 0
        self._pace = Pace(setting.nodes, setting.addresses)
        self.lan = Lan(setting.quality, Random(f"{seed}/lan"), self._arrives)
        self.names = [f"n{number}" for number in range(setting.nodes)]
        self.nodes = {name: Node(name, self) for name in self.names}
        self.lan.endpoints = list(self.names)
        self.addresses: list[Address] = [IPv4Address("192.0.2.0") + number for number in range(setting.addresses)]
        self.foreign: set[Address] = set()
        self.recorded: list[tuple[float, Message]] = []
        self.recording = False
        self.datagrams: Counter[str] = Counter()
        self.reported: list[tuple[float, str, Effect]] = []
        self.checks = Checks(self)
        for address in self.addresses:
            order = rank(address, self.names)[: setting.shortlist]
            for node in self.nodes.values():
                node.entries[address] = Announce(address, order, fresh=setting.fresh)
        self.at(SAMPLE, self._sample)

    # --- time

    def at(self, when: float, action: Callable[..., object], *arguments: object) -> None:
        """Do something at a time."""
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, action, arguments))

    def wake_later(self, node: Node, when: float) -> None:
        """Wake the node then, unless it is woken before."""
        when = max(when, self.now)
        node.wake_at = when
        if when < node.alarm_at:
            node.alarm_at = when
            self.at(when, self._wake, node)

    def _wake(self, node: Node) -> None:
        if node.alarm_at != self.now:
            return  # an earlier one was set since
        node.alarm_at = float("inf")
        if node.machine is None or node.frozen:
            return
        if node.wake_at > self.now:
            self.wake_later(node, node.wake_at)
        else:
            node.wake()

    def run(self, until: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(heap)
            self._pace.count(self.now)
            action(*arguments)
        self.now = until

    def pending_faults(self) -> bool:
        """Whether the story goes on: something other than wake-ups, frames and samples is planned."""
        usual = {"_wake", "_arrive", "_sample"}
        return any(getattr(entry[2], "__name__", "") not in usual for entry in self._heap)

    def run_for(self, seconds: float) -> None:
        self.run(self.now + seconds)

    def _sample(self) -> None:
        self.checks.look()
        self.at(self.now + SAMPLE, self._sample)

    # --- the wire

    def send(self, sender: Node, message: Message, to: str | None) -> None:
        """A datagram of the protocol."""
        self.datagrams[type(message.body).__name__] += 1
        self.checks.said(sender.name, message)
        if self.setting.coded:
            message = decode(encode(message, KEYRING), KEYRING)
        if self.recording:
            self.recorded.append((self.now, message))
        self.lan.send(self.now, sender.name, to, message)

    def _arrives(self, when: float, to: str, item: object) -> None:
        self.at(when, self._arrive, to, item)

    def _arrive(self, to: str, item: object) -> None:
        if to != CLIENT and to not in self.lan.carrierless:
            self.nodes[to].arrive(item)

    def ask(self, sender: str, address: Address) -> None:
        """An ARP request of a node."""
        self.lan.send(self.now, sender, None, Ask(sender, address))
        if address in self.foreign and self.lan.reaches(sender, CLIENT) and self.lan.reaches(CLIENT, sender):
            self.at(self.now + 0.001, self._arrive, sender, Answer(FOREIGN, address))

    def ask_as_client(self, address: Address) -> None:
        """An ARP request of the client."""
        self.lan.send(self.now, CLIENT, None, Ask(CLIENT, address))

    # --- what is

    def owners(self, address: Address) -> list[str]:
        """The nodes that answer for the address, as the client sees it."""
        return self.checks.visible(address)

    # --- faults: each says whom it touches

    def start_all(self, within: float = 0.0) -> None:
        for node in self.nodes.values():
            self.at(self.now + self.rng.random() * within, self.start, node.name)

    def start(self, name: str, *, remembers: bool = False, knows: bool = True) -> None:
        """A process starts; without its brain it is told the candidates within a second."""
        node = self.nodes[name]
        if node.machine is None:
            node.start(remembers=remembers, knows=knows)
            self.checks.fault(name, started=True)
            for entry in node.entries.values():
                if not knows or node.remembered.get(entry.address) != entry:
                    self.at(self.now + self.rng.random(), self._tell, node, entry)

    def _tell(self, node: Node, entry: Announce) -> None:
        if node.entries.get(entry.address) == entry:
            node.tell(entry)

    def kill(self, name: str) -> None:
        self.checks.fault(name)
        self.nodes[name].kill()

    def freeze(self, name: str) -> None:
        self.checks.fault(name)
        self.nodes[name].freeze()

    def thaw(self, name: str) -> None:
        self.checks.fault(name)
        self.nodes[name].thaw()

    def set_carrier(self, name: str, *, up: bool) -> None:
        self.checks.fault(name)
        if up:
            self.lan.carrierless.discard(name)
        else:
            self.lan.carrierless.add(name)
        node = self.nodes[name]
        node.tell(carrier(up=up))
        node.observe()
        self.checks.topology_changed()

    def set_deaf(self, name: str, *, deaf: bool) -> None:
        self._set(self.lan.deaf, name, deaf)

    def set_mute(self, name: str, *, mute: bool) -> None:
        self._set(self.lan.mute, name, mute)

    def _set(self, which: set[str], name: str, member: bool) -> None:
        self.checks.fault(name)
        (which.add if member else which.discard)(name)
        self.checks.topology_changed()

    def cut(self, one: str, other: str, *, both: bool = True, by: int = 1) -> None:
        """Cut the path (`by` 1) or mend it (-1)."""
        self.checks.fault(one)
        self.checks.fault(other)
        self.lan.cuts[one, other] += by
        if both:
            self.lan.cuts[other, one] += by
        self.checks.topology_changed()

    def split(self, side: set[str], *, by: int = 1) -> None:
        """Cut every path between the side and the other nodes; the client reaches both."""
        for one in sorted(side):
            for other in self.names:
                if other not in side:
                    self.lan.cuts[one, other] += by
                    self.lan.cuts[other, one] += by
        others = set(self.names) - side
        cut_off = min(side, others, key=len)
        for name in sorted(cut_off if len(cut_off) == 1 else side | others):
            self.checks.fault(name)
        self.checks.topology_changed()

    def decline(self, name: str, *reasons: Unwilling) -> None:
        self.checks.fault(name)
        node = self.nodes[name]
        node.declines = frozenset(reasons)
        node.tell(Decline(node.declines))

    def leave(self, name: str) -> None:
        """SIGTERM."""
        self.checks.fault(name)
        self.nodes[name].leaving = True
        self.nodes[name].tell(Leave())

    def set_candidates(self, address: Address, candidates: tuple[str, ...], within: float = 0.0) -> None:
        """The brains hear of another list, each at its own time."""
        for node in self.nodes.values():
            before = node.entries.get(address)
            entry = replace(before, candidates=candidates) if before else Announce(address, candidates)
            self.at(self.now + self.rng.random() * within, self._listed, node, entry)

    def _listed(self, node: Node, entry: Announce) -> None:
        before = node.entries.get(entry.address)
        node.entries[entry.address] = entry
        if before is None or (node.name in before.candidates) != (node.name in entry.candidates):
            self.checks.fault(node.name)
        node.tell(entry)

    def withdraw(self, address: Address, within: float = 0.0) -> None:
        for node in self.nodes.values():
            self.at(self.now + self.rng.random() * within, self._withdrawn, node, address)

    def _withdrawn(self, node: Node, address: Address) -> None:
        node.entries.pop(address, None)
        self.checks.fault(node.name)
        node.tell(Withdraw(address))

    def photograph(self, name: str) -> tuple[Machine, Bfd]:
        """A memory image of a process, as a hypervisor takes it."""
        node = self.nodes[name]
        world, node.world = node.world, None  # type: ignore[assignment]
        image = copy.deepcopy((node.machine, node.bfd))
        node.world = world
        return image

    def restore(self, name: str, image: tuple[Machine, Bfd]) -> None:
        """Put a process back to an image: it does not notice that time passed."""
        self.checks.fault(name)
        node = self.nodes[name]
        node.machine, node.bfd = image
        node.machine.woke = self.now
        node.queue.clear()
        node.frozen = False
        node.observe()
        node.wake()

    def claim_as_foreigner(self, address: Address) -> None:
        """A host that is no member announces the address."""
        self.lan.send(self.now, CLIENT, None, Announcement(FOREIGN, address))

    def tell(self, name: str, *events: Event) -> None:
        self.nodes[name].tell(*events)

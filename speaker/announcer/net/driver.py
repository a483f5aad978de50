"""The one driver: netlink and packets in, the ownership machine asked, frames out. The only place with a clock.

messages of the speaker ---> apply ---+
netlink ---> interfaces --------------+                    +--> ports, schedule (Own, Release, Gratuitous)
Meeting (UDP, what the wire tells) ---+--> Machine.step ---+--> Meeting (Send, Probe)
Liveness (BFD) -----------------------+                    +--> Liveness (Watch), Reports (Quarantined, Conflict ...)
timer of machine and schedule --------+
packet sockets ---> Port (answers by itself; first it looks whether this process slept too long)
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lb_controller.model.address import Address
from speaker.announcer.layer2.schedule import Schedule
from speaker.announcer.net.bfd.driver import BfdDriver
from speaker.announcer.net.groups import Groups
from speaker.announcer.net.interfaces import Interface
from speaker.announcer.net.liveness import Liveness, Profile
from speaker.announcer.net.local import Local, choose
from speaker.announcer.net.meeting import Meeting, Sockets
from speaker.announcer.net.port import Count, Port
from speaker.announcer.ownership.events import (
    Announce,
    Carrier,
    Effect,
    Event,
    Gratuitous,
    Left,
    Members,
    Own,
    Probe,
    Release,
    Replaced,
    Send,
    Watch,
    Withdraw,
)
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.machine import Machine

# What the machine counts, and under which name it is shown.
TALLY = {
    "takeovers": "heraldlb_layer2_takeovers_total",
    "dropped": "heraldlb_ownership_dropped_total",
    "foreign_claims": "heraldlb_layer2_foreign_claims_total",
    "late": "heraldlb_announcer_late_total",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where and how the members meet. `keyring` makes the keys for a link (its network)."""

    port: int
    keyring: Callable[[str], Keyring]
    interface: str = ""
    profile: Profile = field(default_factory=Profile)


class Driver:
    """Runs the machine of this node. `on_effect` is called with reports; None: what is owned changed."""

    def __init__(
        self,
        machine: Machine,
        schedule: Schedule[Address],
        surroundings: Surroundings,
        bfd: BfdDriver,
        on_effect: Callable[[Effect | None], None],
    ) -> None:
        self.machine, self.schedule, self.surroundings, self._on_effect = machine, schedule, surroundings, on_effect
        self.count: Count = Counter()
        self.ports: dict[str, Port] = {}
        self.own_addresses: frozenset[Address] = frozenset()
        self.left = asyncio.Event()
        self.problem = ""  # why the members cannot be met
        self._members: frozenset[str] = frozenset()
        self._watched: frozenset[str] = frozenset()
        self._meeting: Meeting | None = None
        self._liveness = Liveness(bfd, surroundings.profile, self._take)
        self._groups = Groups()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    # --- inputs

    def step(self, *events: Event) -> None:
        """Give events to the machine, carry out what it says, and tell the speaker once."""
        now = self._loop.time()
        touched: set[Port] = set()
        changed = False
        for effect in self.machine.step(events, now):
            match effect:
                case Own(address, interfaces):
                    touched |= self._own(address, interfaces, now)
                    changed = True
                case Release(address):
                    touched |= self._release(address)
                    changed = True
                case _:
                    self._do(effect, now)
        for port in touched:
            port.refilter()
        if self._meeting is not None:
            if any(isinstance(event, Announce | Withdraw) for event in events):
                self._meeting.set_known(self.machine.announced)
            self._watch_peers(self._meeting)
        if changed:
            self._on_effect(None)
        self._send_due()

    def _take(self, events: list[Event]) -> None:
        self.step(*events)

    def set_members(self, names: frozenset[str]) -> None:
        """Every node that runs an announcer on this link."""
        if names != self._members:
            self._members = names
            if self._meeting is not None:
                self._meeting.set_members(names)
            self.step(Members(names), self._carrier())

    def set_interfaces(self, found: dict[str, Interface]) -> None:
        """The usable interfaces are these now."""
        for name, port in list(self.ports.items()):
            if found.get(name) != port.interface:
                self._close(name)
        for name, interface in found.items():
            if name not in self.ports:
                self._open(interface)
        self._meet()
        # An interface that came back with another index or MAC has a fresh port: first gone, then there again.
        stale = frozenset(name for name, port in self.ports.items() if not port.opened)
        if stale:
            self.step(self._carrier(without=stale))
            for name in stale:
                self.ports[name].opened = True
        self.step(self._carrier())

    def _carrier(self, without: frozenset[str] = frozenset()) -> Carrier:
        up = frozenset(self.ports) - without
        link = self._meeting.local.interface.name if self._meeting is not None else None
        alone = self._members <= {self.machine.me}
        return Carrier(up, meets=bool(up) if alone else link in up)

    # --- effects

    def _do(self, effect: Effect, now: float) -> None:
        match effect:
            case Send() | Probe():
                self._say(effect)
            case Gratuitous(address):
                self.schedule.start(address, now)
            case Watch(peers):
                self._watched = peers
            case Replaced(peer):
                self._liveness.replaced(peer)
            case Left():
                self.left.set()
            case _:
                self._on_effect(effect)

    def _say(self, effect: Send | Probe) -> None:
        if self._meeting is None:
            return
        if isinstance(effect, Send):
            self._meeting.send(effect.message, effect.to)
        else:
            self._meeting.ask(effect.address)

    def _own(self, address: Address, interfaces: frozenset[str], now: float) -> set[Port]:
        touched = set()
        for name, port in self.ports.items():
            if name in interfaces:
                port.own(address)
            else:
                port.release(address)
            touched.add(port)
        self.schedule.start(address, now)
        return touched

    def _release(self, address: Address) -> set[Port]:
        self.schedule.stop(address)
        for port in self.ports.values():
            port.release(address)
        return set(self.ports.values())

    def _watch_peers(self, meeting: Meeting) -> None:
        known = meeting.addresses
        peers = {name: known[name] for name in self._watched if name in known}
        self._liveness.watch(peers, meeting.local.interface.name)

    def _send_due(self) -> None:
        if not self.machine.silent:
            for address in self.schedule.due(self._loop.time()):
                for port in self.ports.values():
                    port.announce(address)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadlines = [self.machine.deadline]
        if self.schedule.deadline is not None and not self.machine.silent:
            deadlines.append(self.schedule.deadline)
        self._timer = self._loop.call_at(min(deadlines), self.step)

    def _awake(self) -> bool:
        """Whether this process may answer: it first finds out whether it slept too long."""
        if self._loop.time() - self.machine.woke > self.machine.late_after:
            self.step()
        return not self.machine.silent

    # --- where the members meet

    def _meet(self) -> None:
        """Open the link, or another one, when interfaces or their addresses changed."""
        usable = [port.interface for port in self.ports.values()]
        chosen = choose(usable, self.own_addresses, self.surroundings.interface)
        if self._meeting is not None and chosen != self._meeting.local:
            self._part()
        if chosen is None:
            self.problem = "no usable interface has an address"
        elif self._meeting is None:
            self._open_meeting(chosen)

    def _open_meeting(self, local: Local) -> None:
        keyring = self.surroundings.keyring(local.scope)
        try:
            self._meeting = Meeting(local, self.surroundings.port, keyring, self.count, self._take)
        except OSError as error:  # the port is taken, or the interface went away again and netlink tells
            self.problem = f"UDP port {self.surroundings.port} on {local.interface.name}: {error.strerror}"
            return
        self.problem = ""
        self._liveness.authenticate(keyring)
        self._meeting.set_members(self._members)
        self._meeting.set_known(self.machine.announced)
        for sock, ready in self._meeting.readers:
            self._watch(sock, ready)

    def _part(self) -> None:
        if self._meeting is not None:
            for sock, _ in self._meeting.readers:
                self._loop.remove_reader(sock.fileno())
            self._meeting.close()
            self._meeting = None
            self.step(self._carrier())

    def look_again(self) -> None:
        """Addresses on the interfaces may have come or gone, and keys may be others."""
        before = self._meeting
        self._meet()
        if self._meeting is not before:
            self.step(self._carrier())
        if self._meeting is not None:
            self._meeting.keyring = self.surroundings.keyring(self._meeting.local.scope)
            self._liveness.authenticate(self._meeting.keyring)

    # --- ports

    def _open(self, interface: Interface) -> None:
        try:
            self.ports[interface.name] = Port(interface, self._groups, self.count, self._watch, self._awake)
        except PermissionError:
            raise
        except OSError:
            return  # it went away again; netlink tells

    def counters(self) -> Count:
        """All counters since the driver began."""
        for port in self.ports.values():
            port.count_lost()
        named = Counter({(TALLY[name], label): number for (name, label), number in self.machine.tally.items()})
        return self.count + named

    def _close(self, name: str) -> None:
        port = self.ports.pop(name)
        for sock in (port.arp_socket, port.ndp_socket):
            self._loop.remove_reader(sock.fileno())
        port.close()

    def _watch(self, sock: Sockets, ready: Callable[[], None]) -> None:
        self._loop.add_reader(sock.fileno(), ready)

    def close(self) -> None:
        """Stop answering, at once."""
        self._liveness.watch({}, "")
        if self._meeting is not None:
            for sock, _ in self._meeting.readers:
                self._loop.remove_reader(sock.fileno())
            self._meeting.close()
        if self._timer is not None:
            self._timer.cancel()
        for name in list(self.ports):
            self._close(name)
        self._groups.close()

"""The one driver: netlink and packets in, the ownership machine asked, frames out. The only place with a clock.

messages of the speaker ---> apply ---+
netlink ---> interfaces --------------+--> Machine.step --> Own / Release --> ports, schedule
timer of machine and schedule --------+
packet sockets ---> Port (answers by itself, without asking the machine)
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from lb_controller.model.address import Address
from speaker.announcer.layer2.schedule import Schedule
from speaker.announcer.net.groups import Groups
from speaker.announcer.net.interfaces import Interface
from speaker.announcer.net.packet_socket import PacketSocket
from speaker.announcer.net.port import Count, Port
from speaker.announcer.ownership.readiness import Carrier, Event, Machine, Own, Release


class Driver:
    """Runs the machine of this node. `on_owned` is called when the owned addresses changed."""

    def __init__(self, machine: Machine, schedule: Schedule[Address], on_owned: Callable[[], None]) -> None:
        self.machine, self.schedule, self._on_owned = machine, schedule, on_owned
        self.count: Count = Counter()
        self.ports: dict[str, Port] = {}
        self._groups = Groups()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    # --- inputs

    def step(self, *events: Event) -> None:
        """Give events to the machine, carry out what it says, and tell the speaker once."""
        now = self._loop.time()
        touched: set[Port] = set()
        changed = False
        for event in events:
            for effect in self.machine.step(event, now):
                changed = True
                match effect:
                    case Own(address, interfaces):
                        touched |= self._own(address, interfaces, now)
                    case Release(address):
                        touched |= self._release(address)
        for port in touched:
            port.refilter()
        if changed:
            self._on_owned()
        self._send_due()

    def set_interfaces(self, found: dict[str, Interface]) -> None:
        """The usable interfaces are these now."""
        for name, port in list(self.ports.items()):
            if found.get(name) != port.interface:
                self._close(name)
        for name, interface in found.items():
            if name not in self.ports:
                self._open(interface)
        usable = frozenset(self.ports)
        # An interface that came back with another index or MAC has a fresh port: first gone, then there again.
        stale = frozenset(name for name in usable if not self.ports[name].opened)
        if stale:
            self.step(Carrier(usable - stale))
            for name in stale:
                self.ports[name].opened = True
        self.step(Carrier(usable))

    # --- effects

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

    def _send_due(self) -> None:
        for address in self.schedule.due(self._loop.time()):
            for port in self.ports.values():
                port.announce(address)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadlines = [at for at in (self.schedule.deadline, self.machine.deadline) if at is not None]
        self._timer = self._loop.call_at(min(deadlines), self._send_due) if deadlines else None

    # --- ports

    def _open(self, interface: Interface) -> None:
        try:
            self.ports[interface.name] = Port(interface, self._groups, self.count, self._watch)
        except PermissionError:
            raise
        except OSError:
            return  # it went away again; netlink tells

    def counters(self) -> Count:
        """All counters since the driver began."""
        for port in self.ports.values():
            port.count_lost()
        return self.count

    def _close(self, name: str) -> None:
        port = self.ports.pop(name)
        for sock in (port.arp_socket, port.ndp_socket):
            self._loop.remove_reader(sock.fileno())
        port.close()

    def _watch(self, sock: PacketSocket, ready: Callable[[], None]) -> None:
        self._loop.add_reader(sock.fileno(), ready)

    def close(self) -> None:
        """Stop answering, at once."""
        if self._timer is not None:
            self._timer.cancel()
        for name in list(self.ports):
            self._close(name)
        self._groups.close()

"""The announcer's shell: the speaker's messages to the driver, the driver's state to the speaker."""

import asyncio
import contextlib
from collections.abc import Iterable
from ipaddress import ip_address

from lb_controller.model.address import Address
from lb_controller.runtime.garbage import LongLived
from lb_controller.runtime.logging import logger
from lb_controller.runtime.tasks import LoopLag, Tasks
from speaker.announcer.app import memory, ownership
from speaker.announcer.app.bfd import BfdService
from speaker.announcer.app.settings import AnnouncerSettings
from speaker.announcer.layer2.schedule import Schedule
from speaker.announcer.net.bfd.driver import BfdDriver
from speaker.announcer.net.driver import Driver
from speaker.announcer.net.interfaces import Interfaces
from speaker.announcer.net.packet_socket import require_permission
from speaker.announcer.net.routers import RouterAdvertisements
from speaker.announcer.ownership.events import (
    Announce,
    Decline,
    Detected,
    Effect,
    Event,
    Leave,
    Unwilling,
    Withdraw,
)
from speaker.ipc.messages import AnyMessage, Counters, LinkAnnouncement, LinkDelta, LinkSnapshot, LinkState
from speaker.ipc.stream import Peer, Server

REPORT_SECONDS = 5.0
LEAVE_SECONDS = 12.0  # more than the machine takes; a pod has 30
SAVE_SECONDS = 0.2
log = logger()


class Announcer:
    """One process: created inside a running loop, works until SIGTERM."""

    def __init__(self, settings: AnnouncerSettings) -> None:
        self.settings = settings
        self._file = settings.socket_dir / "announcer.snapshot.json"
        self._held_file = settings.socket_dir / "announcer.held.json"
        self._detection = 0.0
        self._said: dict[str, LinkAnnouncement] = {}
        self._members: tuple[str, ...] = ()
        self._unwilling: tuple[str, ...] = ()
        self._own_addresses: tuple[str, ...] = ()
        self._driver: Driver | None = None
        self._node = ""
        self._interfaces: Interfaces | None = None
        self._dirty = asyncio.Event()
        self._lag = LoopLag(interval=0.1)
        self._bfd = BfdDriver()
        self._bfd_service = BfdService(settings, self._bfd)
        self._server = Server(
            settings.socket_dir / "announcer.sock", self._on_message, self._on_connect, self._on_bad_message
        )

    async def run(self, tasks: Tasks) -> None:
        """Work until the end; then stop answering at once. Raises OSError when it cannot begin."""
        require_permission()
        if not self.settings.socket_dir.is_dir():
            raise FileNotFoundError(f"--socket-dir: {self.settings.socket_dir} is no folder")
        remembered = memory.load(self._file)
        if remembered is not None:
            log.info("snapshot_resumed", addresses=len(remembered.announcements))
            self._snapshot(remembered)
        tasks.start("serve", self._server.serve())
        tasks.start("bfd", self._bfd_service.serve())
        tasks.start("save", self._save())
        tasks.start("report", self._report())
        tasks.start("lag", self._lag.run())
        tasks.start("garbage", LongLived(lambda: len(self._said)).run())
        tasks.start("interfaces", self._follow_interfaces())
        tasks.start("router_advertisements", RouterAdvertisements(self.settings.socket_dir).run())
        await tasks.stopped()
        if self._driver is not None:
            await self._leave(self._driver)
        self._bfd.leave()

    async def _leave(self, driver: Driver) -> None:
        """Give everything away before the end: the machine says when that is done or was waited for long enough."""
        driver.step(Leave())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(driver.left.wait(), LEAVE_SECONDS)
        driver.close()

    # --- what the speaker says

    def _on_message(self, message: AnyMessage) -> None:
        try:
            match message:
                case LinkSnapshot():
                    self._snapshot(message)
                case LinkDelta():
                    self._delta(message)
                case _:
                    self._on_bad_message(f"{type(message).__name__} is not for the announcer")
                    return
        except ValueError as error:
            self._on_bad_message(str(error))
            return
        self._dirty.set()

    def _snapshot(self, message: LinkSnapshot) -> None:
        gone = self._said.keys() - {entry.address for entry in message.announcements}
        # ValueError before anything is changed
        events = [_decline(message.unwilling), *_withdrawals(gone), *map(_event, message.announcements)]
        own = frozenset(map(ip_address, message.node_addresses))
        driver = self._driver_of(message.node)
        driver.own_addresses = own
        self._members, self._own_addresses = message.members, message.node_addresses
        self._unwilling = message.unwilling
        driver.set_members(frozenset(message.members))
        self._said = {entry.address: entry for entry in message.announcements}
        driver.step(*events)

    def _delta(self, message: LinkDelta) -> None:
        if self._driver is None:
            return  # a delta without the snapshot before it: the speaker sends one with every connection
        events = [*_withdrawals(message.removed), *map(_event, message.changed)]
        if message.unwilling is not None:
            events.append(_decline(message.unwilling))
            self._unwilling = message.unwilling
        self._members = self._members if message.members is None else message.members
        for address in message.removed:
            self._said.pop(address, None)
        self._said |= {entry.address: entry for entry in message.changed}
        self._driver.set_members(frozenset(self._members))
        self._driver.step(*events)

    def _driver_of(self, node: str) -> Driver:
        """The driver; it begins when the speaker says for the first time which node this is."""
        if self._driver is None or self._node != node:
            if self._driver is not None:
                self._driver.close()
            schedule: Schedule[Address] = Schedule(self.settings.gratuitous_refresh, self.settings.gratuitous_rate)
            now = asyncio.get_running_loop().time()
            machine = ownership.machine_of(node, self.settings, now, ownership.load(self._held_file, node))
            surroundings = ownership.surroundings_of(self.settings)
            self._driver, self._node = Driver(machine, schedule, surroundings, self._bfd, self._on_effect), node
            if self._interfaces is not None:
                self._driver.set_interfaces(self._interfaces.usable)
        return self._driver

    def _on_connect(self, peer: Peer) -> None:
        log.info("speaker_connected")
        peer.send(self._state())
        peer.send(self._counters())

    def _on_bad_message(self, error: str) -> None:
        log.error("bad_message", error=error)

    # --- what the speaker is told

    def _state(self) -> LinkState:
        if self._driver is None:
            return LinkState(owned={})
        machine = self._driver.machine
        owned = {str(address): tuple(sorted(names)) for address, names in machine.owned.items()}
        return LinkState(
            owned=owned, quarantined={str(address): mac.hex(":") for address, mac in machine.quarantined.items()}
        )

    def _on_effect(self, effect: Effect | None) -> None:
        if effect is None:
            self._dirty.set()
        else:
            ownership.tell(effect)
        if isinstance(effect, Detected):
            self._detection = effect.seconds
        else:
            self._server.send(self._state())

    def _counters(self) -> Counters:
        values: dict[str, dict[str, float]] = {"heraldlb_announcer_loop_lag_seconds": {"": self._lag.take_worst()}}
        driver = self._driver
        if driver is not None:
            machine = driver.machine
            values["heraldlb_layer2_owned_addresses"] = {"": float(len(machine.owned))}
            values["heraldlb_layer2_addresses_away"] = {"": float(machine.away)}
            values["heraldlb_layer2_addresses_without_heir"] = {"": float(machine.without_heir)}
            values["heraldlb_layer2_addresses_quarantined"] = {"": float(len(machine.quarantined))}
            values["heraldlb_layer2_detection_seconds"] = {"": self._detection}
            for (name, label), number in driver.counters().items():
                values.setdefault(name, {})[str(label)] = float(number)
        return Counters(values=values | self._bfd.counters())

    # --- tasks

    async def _follow_interfaces(self) -> None:
        self._interfaces = Interfaces(self.settings.exclude_interfaces, self._on_interfaces)
        await self._interfaces.run()

    def _on_interfaces(self) -> None:
        assert self._interfaces is not None
        log.info("interfaces", names=sorted(self._interfaces.usable))
        if self._driver is not None:
            self._driver.set_interfaces(self._interfaces.usable)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._server.send(self._counters())
            if self._driver is not None:
                self._driver.look_again()
                if self._driver.problem:
                    log.error("members_not_met", why=self._driver.problem)

    async def _save(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(SAVE_SECONDS)
            self._dirty.clear()
            announcements = tuple(self._said.values())
            snapshot = LinkSnapshot(
                node=self._node,
                members=self._members,
                announcements=announcements,
                node_addresses=self._own_addresses,
                unwilling=self._unwilling,
            )
            memory.save(self._file, snapshot)
            if self._driver is not None:
                ownership.save(self._held_file, self._node, self._driver.machine.memory)


def _event(entry: LinkAnnouncement) -> Announce:
    interfaces = None if entry.interfaces is None else frozenset(entry.interfaces)
    return Announce(ip_address(entry.address), entry.candidates, interfaces, entry.fresh, frozenset(entry.rebalance))


def _decline(reasons: Iterable[str]) -> Decline:
    return Decline(frozenset(map(Unwilling, reasons)))


def _withdrawals(addresses: Iterable[str]) -> list[Event]:
    return [Withdraw(ip_address(address)) for address in addresses]

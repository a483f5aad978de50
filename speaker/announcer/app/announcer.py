"""The announcer's shell: the speaker's messages to the driver, the driver's state to the speaker."""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

from lb_controller.model.address import Address
from lb_controller.runtime.logging import logger
from lb_controller.runtime.tasks import LoopLag, Tasks
from speaker.announcer.app import memory
from speaker.announcer.app.bfd import BfdService
from speaker.announcer.app.settings import AnnouncerSettings
from speaker.announcer.layer2.schedule import Schedule
from speaker.announcer.net.bfd.driver import BfdDriver
from speaker.announcer.net.driver import Driver
from speaker.announcer.net.interfaces import Interfaces
from speaker.announcer.net.packet_socket import require_permission
from speaker.announcer.net.routers import RouterAdvertisements
from speaker.announcer.ownership.readiness import Announce, Event, Machine, Withdraw
from speaker.ipc.messages import AnyMessage, Counters, LinkAnnouncement, LinkDelta, LinkSnapshot, LinkState
from speaker.ipc.stream import Peer, Server

REPORT_SECONDS = 5.0
SAVE_SECONDS = 0.2
log = logger()


class Announcer:
    """One process: created inside a running loop, works until SIGTERM."""

    def __init__(self, settings: AnnouncerSettings) -> None:
        self.settings = settings
        self._file = settings.socket_dir / "announcer.snapshot.json"
        self._said: dict[str, LinkAnnouncement] = {}
        self._members: tuple[str, ...] = ()
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
        tasks.start("interfaces", self._follow_interfaces())
        tasks.start("router_advertisements", RouterAdvertisements(self.settings.socket_dir).run())
        await tasks.stopped()
        self._bfd.leave()
        if self._driver is not None:
            self._driver.close()

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
        events = [*_withdrawals(gone), *map(_event, message.announcements)]  # ValueError before anything is changed
        driver = self._driver_of(message.node)
        self._members = message.members
        self._said = {entry.address: entry for entry in message.announcements}
        driver.step(*events)

    def _delta(self, message: LinkDelta) -> None:
        if self._driver is None:
            return  # a delta without the snapshot before it: the speaker sends one with every connection
        events = [*_withdrawals(message.removed), *map(_event, message.changed)]
        self._members = self._members if message.members is None else message.members
        for address in message.removed:
            self._said.pop(address, None)
        self._said |= {entry.address: entry for entry in message.changed}
        self._driver.step(*events)

    def _driver_of(self, node: str) -> Driver:
        """The driver; it begins when the speaker says for the first time which node this is."""
        if self._driver is None or self._node != node:
            if self._driver is not None:
                self._driver.close()
            schedule: Schedule[Address] = Schedule(self.settings.gratuitous_refresh, self.settings.gratuitous_rate)
            self._driver, self._node = Driver(Machine(node), schedule, self._tell_owned), node
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
        owned = self._driver.machine.owned if self._driver is not None else {}
        return LinkState(owned={str(address): tuple(sorted(names)) for address, names in owned.items()})

    def _tell_owned(self) -> None:
        self._server.send(self._state())

    def _counters(self) -> Counters:
        values: dict[str, dict[str, float]] = {"heraldlb_announcer_loop_lag_seconds": {"": self._lag.take_worst()}}
        driver = self._driver
        values["heraldlb_layer2_owned_addresses"] = {"": float(len(driver.machine.owned)) if driver else 0.0}
        for (name, label), number in (driver.counters() if driver else {}).items():
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

    async def _save(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(SAVE_SECONDS)
            self._dirty.clear()
            announcements = tuple(self._said.values())
            memory.save(self._file, LinkSnapshot(node=self._node, members=self._members, announcements=announcements))


def _event(entry: LinkAnnouncement) -> Announce:
    interfaces = None if entry.interfaces is None else frozenset(entry.interfaces)
    return Announce(ip_address(entry.address), entry.candidates, interfaces)


def _withdrawals(addresses: Iterable[str]) -> list[Event]:
    return [Withdraw(ip_address(address)) for address in addresses]

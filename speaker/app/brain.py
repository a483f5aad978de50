"""The speaker's shell: facts in, decisions to the announcers, reports out.

    API server --> Inputs --> Decider (layer 2) --> announcer.sock --> announcer
                         \\--> desired_bgp --------> bgp.sock ------> BGP supervisor

Changes are gathered for SETTLE_SECONDS and decided together. Every new connection gets the whole picture, later changes
only the difference.
"""

import asyncio
from collections import Counter

from lb_controller.kube.client import Api
from lb_controller.model.cluster import Service
from lb_controller.model.config import Config
from lb_controller.runtime.health import Health
from lb_controller.runtime.logging import logger
from lb_controller.runtime.metrics import registry
from lb_controller.runtime.tasks import LoopLag, Tasks
from speaker.app.inputs import Inputs
from speaker.app.report import Report
from speaker.app.secrets import Passwords
from speaker.app.settings import SpeakerSettings
from speaker.decide.bgp import BgpDecision, desired_bgp
from speaker.decide.decider import Decider
from speaker.decide.layer2 import Announcement
from speaker.ipc.messages import (
    AnyMessage,
    BgpSnapshot,
    BgpState,
    Counters,
    LinkAnnouncement,
    LinkDelta,
    LinkSnapshot,
    LinkState,
)
from speaker.ipc.stream import Client, Peer

SETTLE_SECONDS = 0.05
log = logger()


class Brain:
    """One speaker; created inside a running loop."""

    def __init__(self, settings: SpeakerSettings, api: Api) -> None:
        self.settings = settings
        self.me = settings.node_name
        self.metrics = registry()
        self.lag = LoopLag()
        self.health = Health(self.metrics, self.lag)
        self.report = Report(self.metrics)
        self._wake = asyncio.Event()
        self._decider = Decider(ignore_exclusion=settings.ignore_exclude_label)
        self.inputs = Inputs(api, self._decider, self._serves, self._wake.set)
        self._passwords = Passwords(api, settings.namespace, self._wake.set)
        self._settled = False
        self._bgp: BgpDecision | None = None
        self._members: tuple[str, ...] = ()
        folder = settings.socket_dir
        self._announcer = Client(folder / "announcer.sock", self._from_announcer, self._greet_announcer, self._bad)
        self._bgp_client = Client(folder / "bgp.sock", self._from_bgp, self._greet_bgp, self._bad)
        self.health.checks = {"inputs": self._inputs_ready, "announcer": self._announcer_ready, "bgp": self._bgp_ready}

    def start(self, tasks: Tasks) -> None:
        """Start all tasks."""
        self.inputs.start(tasks)
        tasks.start("passwords", self._passwords.run())
        tasks.start("announcer", self._announcer.run())
        tasks.start("bgp", self._bgp_client.run())
        tasks.start("settle", self._settle_for_ever())
        tasks.start("loop_lag", self.lag.run())

    def _serves(self, service: Service) -> bool:
        """Whether the Service is ours, as the controller decides it too."""
        if service.load_balancer_class is None:
            return self.settings.serve_unclassed
        return service.load_balancer_class == self.settings.load_balancer_class

    # --- decisions

    async def _settle_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()
            if not self.inputs.missing():
                self._settle()

    def _settle(self) -> None:
        self.inputs.settle()
        self._passwords.want(_secrets(self.inputs.config))
        changes = self._decider.settle()
        members = tuple(sorted(self._decider.cluster.nodes))
        bgp = desired_bgp(
            self.inputs.config,
            self._decider.cluster,
            self.me,
            self._passwords.known,
            ignore_exclusion=self.settings.ignore_exclude_label,
        )
        first, self._settled = not self._settled, True
        if first:
            log.info("first_picture", addresses=len(self._decider.announcements), routes=len(bgp.routes))
        if first or changes.changed or changes.removed or members != self._members:
            delta = LinkDelta(
                changed=tuple(map(_link, changes.changed)),
                removed=tuple(map(str, changes.removed)),
                members=members if members != self._members else None,
            )
            self._members = members
            self._announcer.send(self._link_snapshot() if first else delta)
        if self._bgp is None or (bgp.peers, bgp.routes) != (self._bgp.peers, self._bgp.routes):
            self._bgp = bgp
            self._bgp_client.send(BgpSnapshot(peers=bgp.peers, routes=bgp.routes))
        self._bgp = bgp
        self._measure(bgp)

    def _measure(self, bgp: BgpDecision) -> None:
        self.report.announced.labels("layer2").set(len(self._decider.announcements))
        self.report.announced.labels("bgp").set(len(bgp.routes))
        self.report.omissions.clear()
        link = (omission.reason for found in self._decider.omissions.values() for omission in found.values())
        for reason, number in Counter(link).items():
            self.report.omissions.labels("layer2", reason).set(number)
        for reason, number in Counter(omission.reason for omission in bgp.omissions.values()).items():
            self.report.omissions.labels("bgp", reason).set(number)
        self.report.lag.set(self.lag.last)

    # --- the announcers

    def _greet_announcer(self, peer: Peer) -> None:
        log.info("announcer_connected")
        if self._settled:
            peer.send(self._link_snapshot())

    def _greet_bgp(self, peer: Peer) -> None:
        log.info("bgp_connected")
        if self._bgp is not None:
            peer.send(BgpSnapshot(peers=self._bgp.peers, routes=self._bgp.routes))

    def _link_snapshot(self) -> LinkSnapshot:
        announcements = tuple(map(_link, self._decider.announcements.values()))
        return LinkSnapshot(node=self.me, members=self._members, announcements=announcements)

    def _from_announcer(self, message: AnyMessage) -> None:
        match message:
            case LinkState():
                self.report.owned_now(message)
            case Counters():
                self.report.announcer_counters(message)
            case _:
                log.warning("message_not_for_speaker", kind=type(message).__name__)

    def _from_bgp(self, message: AnyMessage) -> None:
        match message:
            case BgpState():
                self.report.sessions_now(message)
            case Counters():
                self.report.bgp_counters(message)
            case _:
                log.warning("message_not_for_speaker", kind=type(message).__name__)

    def _bad(self, error: str) -> None:
        log.error("bad_message", error=error)

    # --- readiness

    def _inputs_ready(self) -> str | None:
        missing = self.inputs.missing()
        return f"not listed yet: {', '.join(missing)}" if missing else None

    def _announcer_ready(self) -> str | None:
        return None if self._announcer.connected else "the announcer does not answer on announcer.sock"

    def _bgp_ready(self) -> str | None:
        return None if self._bgp_client.connected else "the BGP supervisor does not answer on bgp.sock"


def _link(announcement: Announcement) -> LinkAnnouncement:
    interfaces = announcement.interfaces
    return LinkAnnouncement(
        address=str(announcement.address),
        candidates=announcement.candidates,
        interfaces=None if interfaces is None else tuple(sorted(interfaces)),
    )


def _secrets(config: Config) -> set[str]:
    return {peer.password_secret.name for peer in config.bgp_peers if peer.password_secret is not None}

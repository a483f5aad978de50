"""The speaker's shell: facts in, decisions to the announcers, reports out.

    API server --> Inputs --> Decider (layer 2) --> announcer.sock --> announcer
                         \\--> BgpDecider ---------> bgp.sock ------> BGP supervisor

Changes are gathered for SETTLE_SECONDS and decided together. Every new connection gets the whole picture, later changes
only the difference.
"""

import asyncio
import time
from collections import Counter

from lb_controller.kube.client import Api
from lb_controller.kube.rivals import RivalWatch
from lb_controller.model import names
from lb_controller.model.cluster import Service
from lb_controller.model.config import Config
from lb_controller.runtime.garbage import LongLived
from lb_controller.runtime.health import Health
from lb_controller.runtime.logging import logger
from lb_controller.runtime.metrics import registry
from lb_controller.runtime.settings import Coexistence
from lb_controller.runtime.tasks import LoopLag, Tasks
from speaker.app.forwarding import CANNOT_FORWARD, ForwardingWatch
from speaker.app.inputs import Inputs
from speaker.app.link import told
from speaker.app.preflight import Asked, Preflight
from speaker.app.report import Report
from speaker.app.secrets import Passwords
from speaker.app.settings import SpeakerSettings
from speaker.app.status import Facts, Status
from speaker.decide.bgp import BgpDecider, BgpDecision
from speaker.decide.decider import Changes, Decider
from speaker.decide.layer2 import Announcement
from speaker.decide.members import members
from speaker.decide.newcomers import Newcomers
from speaker.decide.silence import silent
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
        self._decider = Decider(self.me, ignore_exclusion=settings.ignore_exclude_label)
        self.report.holders = self._decider.holders
        self.inputs = Inputs(api, self._decider, self._serves, self._wake.set, settings.metallb_namespace)
        self.inputs.local_health.wait = settings.local_health_wait
        # Its speakers answer for its Services as long as they run, whether or not its controller does.
        self._rivals = (
            RivalWatch(api, ("controller", "speaker"), self.inputs.serve_anew)
            if settings.coexistence is Coexistence.AUTO
            else None
        )
        self.status = Status(api, self.me, self._facts)
        self._passwords = Passwords(api, settings.namespace, self._wake.set)
        self._forwarding = ForwardingWatch(settings.kube_proxy_health, settings.forwarding_wait, self._wake.set)
        self._unwilling: tuple[str, ...] = ()
        self._settled = False
        self._bgp_decider = BgpDecider(self.me, ignore_exclusion=settings.ignore_exclude_label)
        self._bgp: BgpDecision | None = None
        self._members: tuple[str, ...] = ()
        self._new = Newcomers()
        folder = settings.socket_dir
        self._announcer = Client(
            folder / "announcer.sock", self._from_announcer, self._greet_announcer, self._announcer_lost
        )
        self._bgp_client = Client(folder / "bgp.sock", self._from_bgp, self._greet_bgp, self._bgp_lost)
        self.health.checks = {
            "inputs": self._inputs_ready,
            "node": self._node_ready,
            "announcer": self._announcer_ready,
            "bgp": self._bgp_ready,
        }
        self.report.lag.set_function(lambda: self.lag.last)
        self.preflight = Preflight(self.metrics, self._ask)

    def start(self, tasks: Tasks) -> None:
        """Start all tasks."""
        self.inputs.start(tasks)
        if self._rivals is not None:
            tasks.start("rivals", self._rivals.run())
            tasks.start("first rivals", self._await_rivals(), may_end=True)
        tasks.start("passwords", self._passwords.run())
        tasks.start("announcer", self._announcer.run())
        tasks.start("bgp", self._bgp_client.run())
        tasks.start("settle", self._settle_for_ever())
        tasks.start("loop_lag", self.lag.run())
        tasks.start("garbage", LongLived(lambda: len(self._decider.cluster.services)).run())
        tasks.start("preflight", self.preflight.run())
        tasks.start("forwarding", self._forwarding.run(), may_end=True)
        self.status.start(tasks)

    def _serves(self, service: Service) -> bool:
        """Whether the Service is ours, as the controller decides it too, and no rival's."""
        if self._rivals is not None and self._rivals.contest.over(service):
            return False
        if service.load_balancer_class is None:
            return self.settings.serve_unclassed
        return service.load_balancer_class == self.settings.load_balancer_class

    async def _await_rivals(self) -> None:
        """Who runs may be the last thing to be known, and changes nothing when it is nobody."""
        assert self._rivals is not None
        await self._rivals.synced()
        self._wake.set()

    # --- decisions

    async def _settle_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()
            if self._inputs_ready() is None and not self._forwarding.undecided:
                self._settle()

    def _settle(self) -> None:
        self.inputs.settle()
        self._passwords.want(_secrets(self.inputs.config))
        changes = self._decider.settle()
        first, self._settled = not self._settled, True
        self._settle_link(changes, first=first)
        # Passwords that are not known yet would close the sessions that the supervisor kept while we were away.
        if self._bgp is not None or not self._passwords.open:
            self._settle_bgp()
        self._measure()
        self.status.changed()
        if first:
            log.info("first_picture", addresses=len(self._decider.announcements), members=len(self._members))

    def _settle_link(self, changes: Changes, *, first: bool) -> None:
        self._new.changed(self._decider.announcements.keys(), time.monotonic(), first=first)
        found = members(self._decider.cluster.nodes, self.settings.member_labels)
        joined, self._members = found if found != self._members else None, found
        before, self._unwilling = self._unwilling, (CANNOT_FORWARD,) if self._forwarding.obstacle else ()
        unwilling = self._unwilling if self._unwilling != before else None
        if first:
            self._announcer.send(self._link_snapshot())
        elif changes.changed or changes.removed or joined is not None or unwilling is not None:
            changed, removed = tuple(map(self._link, changes.changed)), tuple(map(str, changes.removed))
            delta = LinkDelta(changed=changed, removed=removed, members=joined, unwilling=unwilling)
            self._announcer.send(delta)

    def _settle_bgp(self) -> None:
        before = self._bgp
        cluster, passwords = self._decider.cluster, self._passwords.known
        stuck = self._forwarding.obstacle is not None
        self._bgp = bgp = self._bgp_decider.decide(self.inputs.config, cluster, passwords, cannot_forward=stuck)
        if before is None or _snapshot(bgp) != _snapshot(before):
            self._bgp_client.send(_snapshot(bgp))
        if before is None or bgp.refused_peers != before.refused_peers:
            for peer, why in bgp.refused_peers.items():
                log.warning("peer_without_session", peer=peer, why=why)

    def _measure(self) -> None:
        bgp = self._bgp or BgpDecision()
        self.report.announced.labels("layer2").set(len(self._decider.announcements))
        self.report.announced.labels("bgp").set(bgp.staying)
        self.report.nodes.set(len(self._decider.cluster.nodes))
        self.report.omissions.clear()
        link = (omission.reason for found in self._decider.omissions.values() for omission in found.values())
        for reason, number in Counter(link).items():
            self.report.omissions.labels("layer2", reason).set(number)
        for reason, number in Counter(omission.reason for omission in bgp.omissions.values()).items():
            self.report.omissions.labels("bgp", reason).set(number)

        if self._bgp is not None:
            by_bgp = bgp.omissions if self.inputs.config.bgp_advertisements else None
            self.report.silent_now(silent(self._decider.omissions, by_bgp))

    def _ask(self) -> Asked | None:
        if self.inputs.missing():
            return None
        services = self._decider.cluster.services.values()
        addresses = {str(address) for service in services for address in service.ingress}
        return Asked(addresses, bool(self.inputs.config.bgp_peers), self.lag.take_worst())

    def _facts(self) -> Facts | None:
        """What can be told; nothing before the announcers have reported, lest a restart is told as a loss."""
        if self._bgp is None or self.report.bgp is None or self.report.link is None:
            return None
        return Facts(
            config=self.inputs.config,
            peers=self.inputs.raws(names.KIND_BGP_PEER),
            decider=self._decider,
            bgp=self._bgp,
            sessions=self.report.bgp.sessions,
            owned=self.report.owned,
            passwords=self._passwords.known,
            quarantined=self.report.quarantined,
        )

    # --- the announcers

    def _greet_announcer(self, peer: Peer) -> None:
        log.info("announcer_connected")
        if self._settled:
            peer.send(self._link_snapshot())

    def _greet_bgp(self, peer: Peer) -> None:
        log.info("bgp_connected")
        if self._bgp is not None:
            peer.send(_snapshot(self._bgp))

    def _link_snapshot(self) -> LinkSnapshot:
        announcements = tuple(map(self._link, self._decider.announcements.values()))
        node = self._decider.cluster.nodes.get(self.me)
        addresses = tuple(map(str, node.addresses)) if node is not None else ()
        return LinkSnapshot(
            node=self.me,
            members=self._members,
            announcements=announcements,
            node_addresses=addresses,
            unwilling=self._unwilling,
        )

    def _link(self, announcement: Announcement) -> LinkAnnouncement:
        return told(announcement, fresh=self._new.fresh(announcement.address, time.monotonic()))

    def _from_announcer(self, message: AnyMessage) -> None:
        match message:
            case LinkState():
                self.report.owned_now(message)
                self.status.changed()
            case Counters():
                self.report.announcer_counters(message)
            case _:
                log.warning("message_not_for_speaker", kind=type(message).__name__)

    def _from_bgp(self, message: AnyMessage) -> None:
        match message:
            case BgpState():
                self.report.sessions_now(message)
                self.status.changed()
            case Counters():
                self.report.bgp_counters(message)
            case _:
                log.warning("message_not_for_speaker", kind=type(message).__name__)

    def _bgp_lost(self, why: str) -> None:
        log.warning("bgp_lost", why=why)
        self.report.bgp = BgpState(sessions=())  # the daemon ends with its supervisor
        self.status.changed()

    def _announcer_lost(self, why: str) -> None:
        log.warning("announcer_lost", why=why)
        self.report.announcer_counters(Counters(values={}))  # it may own nothing any more; old numbers would lie

    # --- readiness

    def _inputs_ready(self) -> str | None:
        if self._rivals is not None and (why := self._rivals.missing()):
            return why
        missing = self.inputs.missing()
        return f"not listed yet: {', '.join(missing)}" if missing else None

    def _node_ready(self) -> str | None:
        known = self.inputs.missing() or self.me in self._decider.cluster.nodes
        return None if known else f"there is no Node {self.me}; it is the setting --node-name"

    def _announcer_ready(self) -> str | None:
        return None if self._announcer.connected else "the announcer does not answer on announcer.sock"

    def _bgp_ready(self) -> str | None:
        if self._bgp is None and (names := self._passwords.open):
            return f"not read yet: Secret {', '.join(sorted(names))}"
        return None if self._bgp_client.connected else "the BGP supervisor does not answer on bgp.sock"


def _snapshot(bgp: BgpDecision) -> BgpSnapshot:
    return BgpSnapshot(peers=bgp.peers, routes=bgp.routes, for_good=bgp.for_good)


def _secrets(config: Config) -> set[str]:
    return {peer.password_secret.name for peer in config.bgp_peers if peer.password_secret is not None}

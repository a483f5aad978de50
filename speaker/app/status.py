"""What this node tells users through the API: its BGP sessions, conditions of BGPPeers, conditions of Services.

Looked at once a second at most, and only after a change of a fact. A Service whose facts did not change is not decided
again: 10,000 of them cost a few hundredths of a second.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lb_controller.kube.client import Api
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.store import Key
from lb_controller.model import names
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.objects import RawObject
from lb_controller.runtime.tasks import Tasks
from speaker.app import bodies
from speaker.app.tell import Teller
from speaker.decide.announced import Picture, Verdict, verdict
from speaker.decide.bgp import BgpDecision
from speaker.decide.decider import Decider
from speaker.decide.eligibility import node_obstacle
from speaker.decide.ranking import first_of
from speaker.decide.reach import Reach
from speaker.decide.told import SessionTold, peer_verdict, sessions_told
from speaker.ipc.messages import Phase, SessionState

EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the speaker knows at this moment."""

    config: Config
    peers: Mapping[str, RawObject]
    decider: Decider
    bgp: BgpDecision
    sessions: Iterable[SessionState]
    owned: Mapping[str, object]
    passwords: Mapping[str, str]
    quarantined: Mapping[str, str] = field(default_factory=dict)


class Status:
    """One speaker's words; `facts` gives None as long as nothing can be said."""

    def __init__(self, api: Api, me: str, facts: Callable[[], Facts | None]) -> None:
        self.me, self._facts = me, facts
        self.teller = Teller(api)
        self._changed = asyncio.Event()
        self._statuses: Reflector[tuple[SessionTold, ...]] = Reflector(
            api, bodies.NODE_STATUSES, bodies.read_node_status, self._on_status
        )
        self._ground: object = None
        self._reach: Reach | None = None
        self._memo: dict[ServiceKey, tuple[object, Verdict | None]] = {}

    def start(self, tasks: Tasks) -> None:
        tasks.start(f"watch {bodies.NODE_STATUSES}", self._statuses.run())
        tasks.start("look", self._look_for_ever())
        tasks.start("tell", self.teller.run())

    def changed(self) -> None:
        """A fact changed."""
        self._changed.set()

    # --- inside

    def _on_status(self, _: Key, __: object) -> None:
        self._changed.set()

    async def _look_for_ever(self) -> None:
        await self._statuses.synced.wait()
        while True:
            await self._changed.wait()
            self._changed.clear()
            facts = self._facts()
            if facts is not None:
                self._look(facts)
            await asyncio.sleep(EVERY)

    def _look(self, facts: Facts) -> None:
        told = {key[1]: {entry.peer: entry for entry in found} for key, found in self._statuses.store.items()}
        mine = bodies.as_read(sessions_told(facts.bgp, facts.sessions))
        self._tell_sessions(facts, mine)
        told[self.me] = {entry.peer: entry for entry in mine}
        self._tell_peers(facts, told)
        self._tell_services(facts, told)

    def _tell_sessions(self, facts: Facts, mine: tuple[SessionTold, ...]) -> None:
        node = facts.decider.cluster.nodes.get(self.me)
        path = bodies.node_status_path(self.me)
        observed = self._statuses.store.get(("", self.me), ())
        if node is None or mine == observed:
            self.teller.satisfied(path)
        else:
            self.teller.want(path, bodies.node_status_body(node, mine))

    def _tell_peers(self, facts: Facts, told: Mapping[str, Mapping[str, SessionTold]]) -> None:
        for peer in facts.config.bgp_peers:
            raw = facts.peers.get(peer.name)
            if raw is None or peer.origin is not Origin.HERALDLB:
                continue
            path = bodies.peer_path(peer.name)
            found = peer_verdict(peer, facts.decider.cluster, self.me, told)
            if found is None or bodies.says(raw.condition(names.CONDITION_ESTABLISHED), found):
                self.teller.satisfied(path)
            else:
                self.teller.want(path, bodies.peer_body(raw, found, time.time()))

    def _tell_services(self, facts: Facts, told: Mapping[str, Mapping[str, SessionTold]]) -> None:
        picture = self._picture(facts, told)
        services = facts.decider.cluster.services
        self._memo = {key: found for key, found in self._memo.items() if key in services}
        for key, service in services.items():
            path = bodies.announced_path(service)
            condition = service.condition(names.CONDITION_ANNOUNCED)
            if service.deleting:
                self.teller.satisfied(path)
            elif not service.ingress:
                stale = condition is not None and first_of(picture.nodes, str(key)) == self.me
                self._want_if(stale, path, service, None)
            else:
                found = self._verdict(service, picture)
                differs = found is not None and not bodies.says(condition, found)
                self._want_if(differs, path, service, found)

    def _want_if(self, wanted: bool, path: str, service: Service, found: Verdict | None) -> None:
        if wanted:
            self.teller.want(path, bodies.announced_body(service, found, time.time()))
        else:
            self.teller.satisfied(path)

    def _verdict(self, service: Service, picture: Picture) -> Verdict | None:
        token = (
            service,
            self._endpoints_of(service, picture),
            tuple((str(address) in picture.owned, picture.link.get(address)) for address in service.ingress),
            tuple(picture.quarantined.get(str(address)) for address in service.ingress),
            tuple(picture.conflicts.get((service.key, address)) for address in service.ingress),
            tuple(picture.notes.get((service.key, address)) for address in service.ingress),
            tuple(picture.link_omissions.get(address, {}).get(service.key) for address in service.ingress),
        )
        known = self._memo.get(service.key)
        if known is not None and known[0] == token:
            return known[1]
        found = verdict(service, picture)
        self._memo[service.key] = (token, found)
        return found

    def _endpoints_of(self, service: Service, picture: Picture) -> object:
        return picture.reach.cluster.endpoints.get(service.key) if picture.reach is not None else None

    def _picture(self, facts: Facts, told: Mapping[str, Mapping[str, SessionTold]]) -> Picture:
        cluster = facts.decider.cluster
        established = {
            node: frozenset(peer for peer, entry in entries.items() if entry.state is Phase.ESTABLISHED)
            for node, entries in told.items()
        }
        ignore = facts.decider.ignore_exclusion
        ground = (facts.config, dict(cluster.nodes), established, dict(facts.passwords))
        if ground != self._ground:
            self._ground, self._memo = ground, {}
            bgp = bool(facts.config.bgp_advertisements)
            self._reach = Reach(facts.config, cluster, facts.passwords, ignore_exclusion=ignore) if bgp else None
        good = {name for name, node in cluster.nodes.items() if node_obstacle(node, ignore_exclusion=ignore) is None}
        return Picture(
            me=self.me,
            nodes=good or set(cluster.nodes),
            owned=frozenset(facts.owned),
            quarantined=facts.quarantined,
            link=facts.decider.announcements,
            link_omissions=facts.decider.omissions,
            reach=self._reach,
            conflicts=facts.bgp.omissions,
            notes=facts.bgp.notes,
            established=established,
        )

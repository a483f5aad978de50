"""The decisions about all addresses, kept up to date: a change decides again only the addresses that it touches.

A Service or its endpoints touch its own addresses; a node's facts or the configuration touch all. What comes out is the
same as if everything had been decided from scratch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lb_controller.model.address import Address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey
from lb_controller.model.config import Config
from speaker.decide.facts import Cluster, Omission
from speaker.decide.layer2 import Announcement, View, decide


@dataclass(frozen=True, slots=True)
class Changes:
    """Announcements that are new or different, and addresses that are announced no more."""

    changed: tuple[Announcement, ...]
    removed: tuple[Address, ...]


class Decider:
    """Layer-2 decisions of the whole cluster.

    Candidates are the same on every node that knows the same; interfaces are those of node `me`.
    """

    def __init__(self, me: str, *, ignore_exclusion: bool = False) -> None:
        self.me, self.ignore_exclusion = me, ignore_exclusion
        self.announcements: dict[Address, Announcement] = {}
        self.omissions: dict[Address, Mapping[ServiceKey, Omission]] = {}
        self._config = Config()
        self._services: dict[ServiceKey, Service] = {}
        self._nodes: dict[str, Node] = {}
        self._endpoints: dict[ServiceKey, tuple[Endpoint, ...]] = {}
        self._holders: dict[Address, set[ServiceKey]] = {}
        self._dirty: set[Address] = set()
        self._view: View | None = None

    @property
    def cluster(self) -> Cluster:
        """The facts known now (live views, not copies)."""
        return Cluster(self._services, self._nodes, self._endpoints)

    # --- changes

    def set_config(self, config: Config) -> None:
        if config != self._config:
            self._config = config
            self._open_all()

    def set_service(self, key: ServiceKey, service: Service | None) -> None:
        """A Service with its addresses, or None when it is gone or not ours."""
        before = self._services.pop(key, None)
        # As a set: the status that somebody else wrote may hold an address twice.
        for address in set(before.ingress) if before is not None else ():
            self._dirty.add(address)
            holders = self._holders[address]
            holders.discard(key)
            if not holders:
                del self._holders[address]
        if service is None:
            return
        self._services[key] = service
        for address in service.ingress:
            self._dirty.add(address)
            self._holders.setdefault(address, set()).add(key)

    def set_endpoints(self, key: ServiceKey, endpoints: tuple[Endpoint, ...]) -> None:
        if self._endpoints.get(key, ()) == endpoints:
            return
        if endpoints:
            self._endpoints[key] = endpoints
        else:
            self._endpoints.pop(key, None)
        service = self._services.get(key)
        self._dirty |= set(service.ingress) if service is not None else set()

    def set_node(self, name: str, node: Node | None) -> None:
        if self._nodes.get(name) == node:
            return
        if node is None:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = node
        self._open_all()

    def holders(self, address: Address) -> list[Service]:
        """The Services that have the address, by name."""
        return [self._services[key] for key in sorted(self._holders.get(address, ()))]

    # --- decisions

    def settle(self) -> Changes:
        """Decide what is open; returns how the announcements changed."""
        changed, removed = [], []
        for address in sorted(self._dirty, key=lambda address: (address.version, int(address))):
            before = self.announcements.pop(address, None)
            self.omissions.pop(address, None)
            after = self._decide(address)
            if after is not None:
                self.announcements[address] = after
            if after is not None and after != before:
                changed.append(after)
            elif after is None and before is not None:
                removed.append(address)
        self._dirty.clear()
        return Changes(tuple(changed), tuple(removed))

    def _open_all(self) -> None:
        self._dirty |= self._holders.keys()
        self._view = None

    def _decide(self, address: Address) -> Announcement | None:
        holders = self._holders.get(address)
        if not holders:
            return None
        if self._view is None:
            self._view = View(self.me, self._config, self.cluster, ignore_exclusion=self.ignore_exclusion)
        decision = decide(address, [self._services[key] for key in holders], self._view)
        if decision.omissions:
            self.omissions[address] = decision.omissions
        return decision.announcement

"""The configuration that the observed objects make, what is wrong with them, and what the cluster uses itself.

Read anew only after news that matter to it: a node's heartbeat is none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from lb_controller.app.inputs import NODE, SERVICE_CIDR, Value, custom_sources
from lb_controller.app.observed import Observed
from lb_controller.model.address import Network
from lb_controller.model.cluster import Node, ServiceCIDR
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.lint import Facts, lint
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem, Severity

Place = tuple[str, str, Origin]


class Configuration:
    """Reads from `observed`, which others keep up to date; `note` says what changed there."""

    def __init__(self, observed: Mapping[str, Observed[Value]]) -> None:
        self._observed = observed
        self._config = Config()
        self._problems: dict[Place, list[Problem]] = {}
        self._facts = Facts()
        self._facts_stale, self._stale = True, True

    def note(self, source: str) -> None:
        """Objects of this source changed."""
        if source in (NODE, SERVICE_CIDR):
            self._facts_stale = True
        else:
            self._stale = True

    def objects(self) -> list[RawObject]:
        """All custom resources, ours and MetalLB's."""
        values = (value for source in custom_sources(self._observed) for value in self._observed[source].values())
        return [value for value in values if isinstance(value, RawObject)]

    @property
    def facts(self) -> Facts:
        """What the cluster uses itself."""
        if self._facts_stale:
            self._facts_stale = False
            fresh = Facts(tuple(self._nodes()), tuple(self._service_cidrs()))
            if fresh != self._facts:
                self._facts, self._stale = fresh, True
        return self._facts

    def refresh(self) -> bool:
        """Read it anew if it may have changed; whether that was done."""
        facts = self.facts
        if not self._stale:
            return False
        self._stale = False
        self._config, problems = parse_config(self.objects())
        self._problems = {}
        for problem in (*problems, *lint(self._config, facts)):
            self._problems.setdefault((problem.kind, problem.name, problem.origin), []).append(problem)
        return True

    @property
    def config(self) -> Config:
        """The valid configuration as it was read last."""
        return self._config

    def problems(self, raw: RawObject) -> Iterable[Problem]:
        """What is wrong with this object."""
        return self._problems.get((raw.kind, raw.name, raw.origin), ())

    def invalid(self) -> Counter[str]:
        """How many objects of each kind are not in use because of an error."""
        places = (place for place, found in self._problems.items() if any(p.severity is Severity.ERROR for p in found))
        return Counter(kind for kind, _, _ in places)

    def _nodes(self) -> list[Node]:
        found = (value for value in self._observed[NODE].values() if isinstance(value, Node))
        nodes = (Node(name=node.name, addresses=node.addresses, pod_cidrs=node.pod_cidrs) for node in found)
        return sorted(nodes, key=lambda node: node.name)

    def _service_cidrs(self) -> list[Network]:
        found = (value for value in self._observed[SERVICE_CIDR].values() if isinstance(value, ServiceCIDR))
        return [network for cidr in sorted(found, key=lambda cidr: cidr.name) for network in cidr.networks]

"""What the speaker watches, and how it becomes facts of the deciders.

Nothing is decided before every input was listed once: an empty picture at the start would withdraw everything. While
the API server is away the last picture stays.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from lb_controller.kube.client import Api
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.resources import (
    ENDPOINT_SLICES,
    LOAD_BALANCERS_ONLY,
    NODES,
    SERVICES,
    Resource,
    custom,
    metallb,
)
from lb_controller.kube.store import Key
from lb_controller.model import names, wire
from lb_controller.model.cluster import EndpointSlice, Node, Service, ServiceKey
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse import core
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem
from lb_controller.runtime.tasks import Tasks
from speaker.app.local_health import LocalHealthWatch
from speaker.app.slices import Slices
from speaker.decide.decider import Decider

T = TypeVar("T")
W = TypeVar("W")
Decode = Callable[[msgspec.Raw], T]


def _reading(kind: type[W], parse: Callable[[W], T]) -> Decode[T]:
    """From JSON to a value, by way of a wire struct."""
    decoder = msgspec.json.Decoder(kind)
    return lambda raw: parse(decoder.decode(raw))


class Inputs:
    """The reflectors of one speaker; `on_change` is called after each change of a fact."""

    def __init__(
        self,
        api: Api,
        decider: Decider,
        serves: Callable[[Service], bool],
        on_change: Callable[[], None],
        metallb_namespace: str = "",
    ) -> None:
        self.decider, self._serves, self._on_change = decider, serves, on_change
        self.local_health = LocalHealthWatch(decider.me, lambda: decider.cluster.nodes, self._opened)
        self.problems: tuple[Problem, ...] = ()
        self.config = Config()
        self._raws: dict[tuple[str, str, Origin], RawObject] = {}
        self._config_stale = False
        self._slices = Slices()
        self._services = self._core(api, SERVICES, _reading(wire.Service, core.service), self._service)
        self._reflectors: list[Reflector[Any]] = [
            self._core(api, NODES, _reading(wire.Node, core.node), self._node),
            self._core(api, ENDPOINT_SLICES, _reading(wire.EndpointSlice, core.endpoint_slice), self._slice),
            self._services,
            *(self._custom(api, kind, Origin.HERALDLB, custom(kind)) for kind in names.PLURALS),
        ]
        if metallb_namespace:
            for kind in names.PLURALS:
                newest, older = (metallb(kind, metallb_namespace, version=version) for version in ("", names.VERSION))
                self._reflectors.append(
                    self._custom(api, kind, Origin.METALLB, newest, older if older != newest else None)
                )

    def serve_anew(self) -> None:
        """Ask again of every Service whether it is ours."""
        for key, service in self._services.store.items():
            self._service(key, service)
        self._on_change()

    def start(self, tasks: Tasks) -> None:
        for reflector in self._reflectors:
            tasks.start(f"watch {reflector.resource}", reflector.run())
        tasks.start("first lists", self._tell_when_listed(), may_end=True)
        tasks.start("local health", self.local_health.run())

    async def _tell_when_listed(self) -> None:
        """The list that comes last may be empty, and then it changes no fact."""
        for reflector in self._reflectors:
            await reflector.synced.wait()
        self._on_change()

    def missing(self) -> list[str]:
        """The resources that were not listed yet."""
        return [str(reflector.resource) for reflector in self._reflectors if not reflector.synced.is_set()]

    def settle(self) -> None:
        """Bring the configuration up to date; call it before deciding."""
        self.local_health.begin()
        if self._config_stale:
            self._config_stale = False
            self.config, self.problems = parse_config(self._raws.values())
            self.decider.set_config(self.config)

    def raws(self, kind: str) -> dict[str, RawObject]:
        """The objects of one kind of our own group as they were read, by name."""
        return {
            name: raw
            for (found, name, origin), raw in self._raws.items()
            if found == kind and origin is Origin.HERALDLB
        }

    # --- reflectors

    def _core(
        self, api: Api, resource: Resource, read: Decode[T], changed: Callable[[Key, T | None], None]
    ) -> Reflector[T]:
        def tell(key: Key, value: T | None) -> None:
            changed(key, value)
            self._on_change()

        fields = LOAD_BALANCERS_ONLY if resource is SERVICES else ""
        return Reflector(api, resource, read, tell, field_selector=fields)

    def _custom(
        self, api: Api, kind: str, origin: Origin, resource: Resource, older: Resource | None = None
    ) -> Reflector[RawObject]:
        def read(raw: msgspec.Raw) -> RawObject:
            return RawObject(kind, origin, msgspec.json.decode(raw))

        def tell(key: Key, value: RawObject | None) -> None:
            if value is None:
                self._raws.pop((kind, key[1], origin), None)
            else:
                self._raws[kind, key[1], origin] = value
            self._config_stale = True
            self._on_change()

        missing_retry = 15.0 if origin is Origin.HERALDLB else 60.0  # MetalLB's CRDs may well never come
        return Reflector(api, resource, read, tell, missing_retry=missing_retry, older=older)

    # --- facts

    def _node(self, key: Key, node: Node | None) -> None:
        self.decider.set_node(key[1], node)

    def _service(self, key: Key, service: Service | None) -> None:
        if service is not None and not self._serves(service):
            service = None
        self.decider.set_service(ServiceKey(*key), service)
        self._look_at_endpoints(ServiceKey(*key))

    def _slice(self, key: Key, found: EndpointSlice | None) -> None:
        for service in self._slices.put(key, found):
            self._look_at_endpoints(service)

    def _look_at_endpoints(self, key: ServiceKey) -> None:
        endpoints = self.local_health.marked(key, self.decider.cluster.services.get(key), self._slices.of(key))
        self.decider.set_endpoints(key, endpoints)

    def _opened(self, key: ServiceKey) -> None:
        """kube-proxy here carries traffic to the Service's endpoints from now on."""
        self._look_at_endpoints(key)
        self._on_change()

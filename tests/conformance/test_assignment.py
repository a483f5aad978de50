"""Scenarios of assignment, played by the planner alone: real manifests in, what each Service has out.

The manifests go through the real parsers; a small stand-in fills in what an API server would (cluster IPs, uid, age)
and writes what the effects say. After each stage a second controller takes over that lists everything backwards: it
must find nothing to write.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lb_controller.allocation.changes import (
    AllocationSettings,
    Change,
    ConfigChanged,
    NamespacesChanged,
    QuarantineChanged,
    ServiceChanged,
    ServiceGone,
    Stranded,
)
from lb_controller.allocation.effects import EmitEvent, PatchStatus, effects
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.outcome import Outcome
from lb_controller.allocation.planner import plan
from lb_controller.app.rules import Rules
from lb_controller.model import names, wire
from lb_controller.model.address import parse_address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.config import Origin
from lb_controller.model.parse import core
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from tests.support.scenarios import Expected, Manifest, Scenario, Stage, load, place, scenarios

CLUSTER_IPS = {"IPv4": "10.96.0.9", "IPv6": "fd00:96::9"}


class Cluster:
    """What the API server would hold."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str, str], Manifest] = {}
        self.written: dict[ServiceKey, PatchStatus] = {}
        self.stage = 0

    def take(self, stage: Stage) -> list[ServiceKey]:
        """Apply and delete; returns the Services concerned."""
        self.stage += 1
        keys = []
        for manifest in stage.delete:
            group = manifest["apiVersion"].partition("/")[0]
            del self.objects[group, *place(manifest)]
            if manifest["kind"] == "Service":
                keys.append(ServiceKey(*place(manifest)[1:]))
                self.written.pop(keys[-1], None)
        for manifest in stage.apply:
            group = manifest["apiVersion"].partition("/")[0]
            known = self.objects.get((group, *place(manifest)))
            self.objects[group, *place(manifest)] = self._filled(manifest, known)
            if manifest["kind"] == "Service":
                keys.append(ServiceKey(*place(manifest)[1:]))
        return keys

    def _filled(self, manifest: Manifest, known: Manifest | None) -> Manifest:
        metadata, spec = dict(manifest["metadata"]), dict(manifest.get("spec", {}))
        age = {"creationTimestamp": f"2026-01-01T00:00:{self.stage:02}Z", "uid": f"{metadata['name']}-{self.stage}"}
        found = {name: known["metadata"][name] for name in age} if known is not None else age
        found |= {"namespace": place(manifest)[1], "generation": self.stage, "resourceVersion": str(self.stage)}
        if manifest["kind"] == "Service" and spec.get("clusterIP") != "None":
            families = spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("clusterIPs", [CLUSTER_IPS[family] for family in families])
        return {**manifest, "metadata": {**metadata, **found}, "spec": spec}

    def service(self, key: ServiceKey) -> Service | None:
        """The Service as a controller reads it; None: it is not of type LoadBalancer."""
        manifest = self.objects.get(("v1", "Service", *key))
        if manifest is None or manifest["spec"].get("type") != "LoadBalancer":
            self.written.pop(key, None)
            return None
        found, patch = core.service(msgspec.convert(manifest, wire.Service)), self.written.get(key)
        if patch is None:
            return found
        assert patch.condition is not None
        notes = {**found.annotations, **patch.annotations}
        return replace(found, ingress=patch.ingress, conditions=(patch.condition,), annotations=notes)

    def services(self) -> list[Service]:
        keys = [ServiceKey(*rest) for group, kind, *rest in self.objects if kind == "Service"]
        return [found for key in keys if (found := self.service(key)) is not None]

    def config(self) -> ConfigChanged:
        raws = [
            RawObject(kind, Origin(group), manifest)
            for (group, kind, *_), manifest in self.objects.items()
            if kind in names.PLURALS
        ]
        return ConfigChanged(parse_config(raws)[0])

    def namespaces(self) -> NamespacesChanged:
        spaces = [
            core.namespace(msgspec.convert(manifest, wire.Namespace))
            for (_, kind, *_), manifest in self.objects.items()
            if kind == "Namespace"
        ]
        return NamespacesChanged({space.name: space for space in spaces})


class Played:
    """A scenario as it is played."""

    def __init__(self, scenario: Scenario) -> None:
        settings = dict(scenario.settings)
        stranded = Stranded(settings.pop("strandedAddresses", "Retain"))
        self.rules = Rules(
            settings.pop("loadBalancerClass", "heraldlb.io/heraldlb"),
            settings.pop("serveUnclassed", True),
            AllocationSettings(stranded),
        )
        assert not settings, f"unknown settings {settings}"
        self.cluster = Cluster()
        self.ledger = Ledger(self.rules.allocation)
        self.foreign: tuple[str, ...] = ()
        self._told: list[Change] = []

    def play(self, stage: Stage) -> dict[ServiceKey, list[str]]:
        """One stage: what changed is told, decided and written; returns the Events."""
        keys = self.cluster.take(stage)
        self.foreign = self.foreign if stage.foreign is None else stage.foreign
        self._decide(self.ledger, keys, self._changed())
        events: dict[ServiceKey, list[str]] = {}
        for key, entry in self.ledger.entries.items():
            assert entry.outcome is not None
            for effect in effects(entry.service, entry.outcome):
                if isinstance(effect, PatchStatus):
                    self.cluster.written[key] = effect
                if isinstance(effect, EmitEvent):
                    events.setdefault(key, []).append(effect.reason)
        assert self._decide(self.ledger, list(self.ledger.entries), []) == {}, "what was written is no news"
        return events

    def successor(self) -> dict[ServiceKey, Outcome]:
        """What another controller decides that lists everything now, backwards."""
        ledger = Ledger(self.rules.allocation)
        keys = [service.key for service in self.cluster.services()]
        return self._decide(ledger, reversed(keys), self._surroundings())

    def _surroundings(self) -> list[Change]:
        foreign = QuarantineChanged(frozenset(map(parse_address, self.foreign)))
        return [self.cluster.config(), self.cluster.namespaces(), foreign]

    def _changed(self) -> list[Change]:
        """Those of the surroundings that were not told yet."""
        before, self._told = self._told, self._surroundings()
        return [change for change in self._told if change not in before]

    def _decide(
        self, ledger: Ledger, keys: Iterable[ServiceKey], surroundings: Iterable[Change]
    ) -> dict[ServiceKey, Outcome]:
        dirty = set().union(*map(ledger.apply, surroundings))
        for key in keys:
            found = self.cluster.service(key)
            ours = found is not None and self.rules.serves(found)
            dirty |= ledger.apply(ServiceChanged(found) if found is not None and ours else ServiceGone(key))
        return plan(ledger, dirty)


def shown(service: Service, wanted: Expected, events: list[str]) -> Expected:
    """A Service as an expectation writes it, with just those fields that it names."""
    condition = service.condition(names.CONDITION_ASSIGNED)
    assert condition is not None
    notes: dict[str, str] = dict(service.annotations)
    return Expected(
        addresses=tuple(map(str, service.ingress)),
        reason=condition.reason,
        says=wanted.says if wanted.says in condition.message else condition.message,
        pool=None if wanted.pool is None else notes.get(names.ANNOTATION_ASSIGNED_FROM_POOL, ""),
        metallb_pool=None if wanted.metallb_pool is None else notes.get(names.ANNOTATION_METALLB_POOL, ""),
        events=None if wanted.events is None else tuple(events),
    )


@pytest.mark.parametrize("folder", scenarios(), ids=lambda path: path.name)
def test_services_have_what_the_scenario_expects(folder: Path) -> None:
    scenario = load(folder)
    played = Played(scenario)
    for number, stage in enumerate(scenario.stages):
        events = played.play(stage)
        found: dict[str, Any] = {}
        for service in played.cluster.services():
            name = str(service.key)
            if service.key in played.ledger.entries:
                wanted = stage.expected.get(name, Expected((), ""))
                found[name] = shown(service, wanted, events.get(service.key, []))
                assert (service.condition(names.CONDITION_ASSIGNED).status == "True") == bool(service.ingress)  # type: ignore[union-attr]
        assert found == dict(stage.expected), f"stage {number}"
        outcomes = played.successor()
        for service in played.cluster.services():
            if service.key in played.ledger.entries:
                assert effects(service, outcomes[service.key]) == (), f"stage {number}: a restart writes {service.key}"


def test_there_are_as_many_scenarios_as_were_promised() -> None:
    found = scenarios()
    assert len(found) >= 120
    assert all(path.name.replace("-", "").isalnum() and path.name.islower() for path in found)

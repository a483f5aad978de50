"""Scenarios of assignment: stages of real manifests in, what each Service has after each stage out.

A folder holds `input.yaml` (stages: what is applied and deleted) and `expected.yaml` (one mapping of Services for each
stage). Nothing here knows who plays a scenario: the planner alone, or a controller at a real API server, which creates
the objects of a stage in the order of `Stage.in_order` and writes their `status` by its subresource.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "conformance" / "assignment"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a Service has. `says` are words of the condition's message; None of the others: not looked at."""

    addresses: tuple[str, ...]
    reason: str
    says: str = ""
    pool: str | None = None
    metallb_pool: str | None = None
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Changes made together, and what holds once they were dealt with. Services not in `expected` are not ours."""

    apply: tuple[Manifest, ...]
    delete: tuple[Manifest, ...]
    foreign: tuple[str, ...] | None
    expected: Mapping[str, Expected]

    @property
    def changes(self) -> int:
        """How many objects are applied or deleted."""
        return len(self.apply) + len(self.delete)

    def in_order(self) -> list[Manifest]:
        """The manifests to apply: namespaces and pools before Services, each by name."""
        return sorted(self.apply, key=lambda found: (found["kind"] == "Service", place(found)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Stages in order. `settings` are those of the controller; `offline` says why no API server can play it."""

    name: str
    settings: Mapping[str, Any]
    stages: tuple[Stage, ...]
    offline: str = ""

    @property
    def found_at_start(self) -> bool:
        """Whether its first stage is what a controller finds when it starts: a Service has a status already."""
        return any("status" in manifest for manifest in self.stages[0].apply)

    @property
    def dual_stack(self) -> bool:
        """Whether the cluster must give cluster IPs of IPv6."""
        found = [manifest for stage in self.stages for manifest in stage.apply if manifest["kind"] == "Service"]
        return any("IPv6" in manifest["spec"].get("ipFamilies", ()) for manifest in found)


def place(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    metadata = manifest["metadata"]
    default = "default" if manifest["kind"] == "Service" else ""
    return (manifest["kind"], metadata.get("namespace", default), metadata["name"])


def load(folder: Path) -> Scenario:
    """Read a folder."""
    given = yaml.safe_load((folder / "input.yaml").read_text())
    expected = yaml.safe_load((folder / "expected.yaml").read_text())
    assert len(given["stages"]) == len(expected), f"{folder.name}: one expectation for each stage"
    stages = [_stage(found, wanted) for found, wanted in zip(given["stages"], expected, strict=True)]
    offline = "" if not any(stage.foreign is not None for stage in stages) else "foreign hosts need a network"
    return Scenario(folder.name, given.get("settings", {}), tuple(stages), given.get("offline", offline))


def scenarios() -> list[Path]:
    """All folders."""
    return sorted(path for path in FOLDER.iterdir() if path.is_dir())


def _stage(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> Stage:
    assert given.keys() <= {"apply", "delete", "foreignHostsAnswerFor"}, given.keys()
    foreign = given.get("foreignHostsAnswerFor")
    return Stage(
        apply=tuple(given.get("apply", ())),
        delete=tuple(given.get("delete", ())),
        foreign=None if foreign is None else tuple(foreign),
        expected={name: _expected(found) for name, found in wanted.items()},
    )


def _expected(given: Mapping[str, Any]) -> Expected:
    assert given.keys() <= {"addresses", "reason", "says", "pool", "metallbPool", "events"}, given.keys()
    events = given.get("events")
    return Expected(
        addresses=tuple(given["addresses"]),
        reason=given["reason"],
        says=given.get("says", ""),
        pool=given.get("pool"),
        metallb_pool=given.get("metallbPool"),
        events=None if events is None else tuple(events),
    )

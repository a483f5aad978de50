"""The parts of docs/reference that are written by the code: `python -m tests.support.reference`, which is `make docs`.

A page says where such a part goes by `<!-- generated: NAME -->` and `<!-- end -->`; a test holds every part against
the code.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from lb_controller.app.metrics import ControllerMetrics
from lb_controller.app.pool_metrics import PoolMetrics
from lb_controller.app.settings import ControllerSettings
from lb_controller.app.trial import TrialSettings
from lb_controller.runtime.metrics import registry
from lb_controller.runtime.settings import describe
from speaker.announcer.app.settings import AnnouncerSettings
from speaker.app.preflight import Asked, Preflight
from speaker.app.report import Report
from speaker.app.settings import SpeakerSettings
from speaker.bgp.__main__ import BgpSettings
from tests.support.chart import CHART, values
from tests.support.events import lines

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SETTINGS: dict[str, type[Any]] = {
    "controller": ControllerSettings,
    "speaker": SpeakerSettings,
    "announcer": AnnouncerSettings,
    "bgp": BgpSettings,
    "test": TrialSettings,
}
SELECTOR = {"matchLabels", "matchExpressions"}
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(columns: str, rows: Iterator[str] | list[str]) -> str:
    heads = columns.split("|")
    return "\n".join([f"|{columns}|", "|" + "---|" * len(heads), *rows])


def settings_table(process: str) -> str:
    rows = []
    for doc in describe(SETTINGS[process]):
        kind, default = doc.type.replace("|", " or "), f"`{doc.default}`" if doc.default else "none"
        default = "required" if doc.default == "required" else default
        rows.append(f"| `{doc.flag}` | `{doc.variable}` | {kind} | {default} | {doc.help} |")
    return table(" flag | variable | type | default | meaning ", rows)


def registries() -> dict[str, CollectorRegistry]:
    """The metrics of each process as it exposes them."""
    found = {"controller": registry(), "speaker": registry()}
    ControllerMetrics(found["controller"])
    Report(found["speaker"])
    Preflight(found["speaker"], lambda: Asked((), False, 0.0))
    return found


def labels_of(process: str) -> Mapping[str, tuple[str, ...]]:
    """Metric -> its label names, asked from the collectors."""
    found: dict[str, tuple[str, ...]] = {}
    for collector in registries()[process]._collector_to_names:
        if hasattr(collector, "described"):
            found |= {name: (label,) if label else () for name, (_, label) in collector.described.items()}
        elif isinstance(collector, PoolMetrics):
            found |= {family.name: tuple(family._labelnames) for family in collector.collect()}
        elif hasattr(collector, "_labelnames"):
            names = [family.name for family in collector.describe()]
            total = "_total" if collector._type == "counter" else ""
            found |= {f"{name}{total}": collector._labelnames for name in names}
    return found


def metrics(process: str) -> dict[str, tuple[str, str]]:
    """Metric -> type and help."""
    found: dict[str, tuple[str, str]] = {}
    for family in registries()[process].collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in found, f"{process} exposes {name} twice"
        found[name] = (family.type, family.documentation)
    return found


def metrics_table(process: str) -> str:
    labels = labels_of(process)
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels[name])} | {meaning} |"
        for name, (kind, meaning) in metrics(process).items()
    ]
    return table(" metric | type | labels | meaning ", rows)


def kind_of(schema: dict[str, Any]) -> str:
    """What stands in the column `type` of a custom resource's field."""
    if schema.keys() >= {"properties"} and schema["properties"].keys() >= SELECTOR:
        return "label selector"
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}s" if schema["items"]["type"] != "object" else "list"
    if "enum" in schema:
        return " or ".join(str(word) for word in schema["enum"])
    bounds = f" {schema['minimum']}..{schema['maximum']}" if {"minimum", "maximum"} <= schema.keys() else ""
    return f"{schema['type']}{bounds}"


def fields(schema: dict[str, Any], path: str) -> Iterator[str]:
    """A row for every field that is HeraldLB's own; inside of label selectors and conditions are Kubernetes' words."""
    for name, sub in schema.get("properties", {}).items():
        here, default = f"{path}.{name}", f"`{json.dumps(sub['default'])}`" if "default" in sub else ""
        default = "required" if name in schema.get("required", ()) else default
        items = sub.get("items", {})
        selectors = items.get("properties", {}).keys() >= SELECTOR
        kind = "list of label selectors" if selectors else kind_of(sub)
        yield f"| `{here}` | {kind} | {default} | {sub['description']} |"
        if not selectors and kind != "label selector" and name != "conditions":
            yield from fields(sub, here)
            yield from fields(items, f"{here}[]")


def crd_table(crd: dict[str, Any]) -> str:
    [version] = crd["spec"]["versions"]
    parts = version["schema"]["openAPIV3Schema"]["properties"]
    rows = [row for part in ("spec", "status") for row in fields(parts.get(part, {}), part)]
    return table(" field | type | default | meaning ", rows)


def values_table() -> str:
    rows = []
    for value in values():
        name = ".".join(value.path)
        text = value.comment.replace("|", " or ")
        rows.append(
            f"| `{name}` | `{json.dumps(value.default)}` | {text} |" if value.leaf else f"| `{name}` | | {text} |"
        )
    return table(" value | default | meaning ", rows)


def alerts_table() -> str:
    [group] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    rows = []
    for rule in group["rules"]:
        expression = rule["expr"].replace("|", r"\|")
        name = f"[{rule['alert']}](#{rule['alert'].lower()})"
        rows.append(f"| {name} | {rule['labels']['severity']} | {rule['for']} | `{expression}` |")
    return table(" alert | severity | after | when ", rows)


def events_table() -> str:
    """One row for each event and module; a field `**where` stands for what the module gathers under that name."""
    found: dict[tuple[str, str], tuple[set[str], dict[str, None]]] = {}
    for line in lines():
        for event in line.events:
            levels, fields_of = found.setdefault((event, line.module), (set(), {}))
            levels.add(line.level)
            fields_of.update(dict.fromkeys(line.fields))
    rows = [
        f"| `{event}` | {', '.join(sorted(levels))} | {', '.join(f'`{name}`' for name in names)} | `{module}` |"
        for (event, module), (levels, names) in sorted(found.items())
    ]
    return table(" event | level | fields | written by ", rows)


def parts() -> dict[str, Callable[[], str]]:
    """Name of a generated part -> what writes it."""
    crds = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))}
    found: dict[str, Callable[[], str]] = {"values": values_table, "alerts": alerts_table, "events": events_table}
    for process in SETTINGS:
        found[f"settings-{process}"] = lambda process=process: settings_table(process)
    for process in registries():
        found[f"metrics-{process}"] = lambda process=process: metrics_table(process)
    for plural, crd in crds.items():
        found[f"crd-{plural}"] = lambda crd=crd: crd_table(crd)
    return found


def generated(text: str) -> str:
    """The page with every generated part as the code has it now. Raises KeyError for an unknown name."""
    known = parts()
    return _PART.sub(lambda match: f"{match[1]}\n{known[match[2]]()}\n\n{match[3]}", text)


def named(text: str) -> list[str]:
    """The names of the generated parts of a page."""
    return [match[2] for match in _PART.finditer(text)]


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of the reference and what it should be."""

    path: Path
    text: str
    wanted: str


def pages() -> list[Page]:
    found = [(path, path.read_text()) for path in sorted(REFERENCE.glob("*.md"))]
    return [Page(path, text, generated(text)) for path, text in found]


if __name__ == "__main__":
    for page in pages():
        if page.text != page.wanted:
            page.path.write_text(page.wanted)
            print(f"wrote {page.path.relative_to(ROOT)}")

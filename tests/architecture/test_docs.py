"""The documentation says what the code does: every setting, reason, annotation, metric and CRD field; links resolve."""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml

from lb_controller.app.metrics import ControllerMetrics
from lb_controller.model import names, reasons
from lb_controller.runtime.metrics import registry
from lb_controller.runtime.settings import describe
from speaker.app.report import Report
from tests.unit.chart.test_chart import SETTINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
PROGRAMS = {
    "controller": "python -m lb_controller",
    "speaker": "python -m speaker",
    "announcer": "python -m speaker.announcer",
    "bgp": "python -m speaker.bgp",
}


def page(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text()


def sections(text: str, level: int) -> dict[str, str]:
    """Heading -> text below it, down to the next heading of that level or above."""
    parts = re.split(rf"^#{{1,{level}}} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text.replace("\n", " ")):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{target} does not exist"
        if heading:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), flags=re.MULTILINE)
            assert heading in {anchor(one) for one in headings}, f"{target}: no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    for path in DOCS.rglob("*.md"):
        if path.parent.name != "adr" and path.name != "README.md":
            assert f"({path.relative_to(DOCS)})" in index, f"{path} is not in docs/README.md"


def test_every_reason_has_its_paragraph_and_nothing_else_has() -> None:
    kinds = [reasons.AssignedReason, reasons.RefusalReason, reasons.OmissionReason, reasons.ObjectReason]
    members = {str(member) for kind in kinds for member in kind}
    found = sections(page("reasons"), 3)
    headings = re.findall(r"^### (.+)$", page("reasons"), flags=re.MULTILINE)
    assert set(headings) == members
    assert len(headings) == len(set(headings))
    assert all(len(found[reason].strip()) > 30 for reason in members)


def test_every_reason_is_an_enumeration_that_the_page_knows() -> None:
    kinds = [
        kind
        for kind in vars(reasons).values()
        if isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum
    ]
    assert len(kinds) == 4, "a new enumeration of reasons needs a part in docs/reference/reasons.md and in this test"


def test_every_annotation_and_label_is_named() -> None:
    text = page("annotations")
    rows = [names.ANNOTATION_ADDRESS_POOL, names.ANNOTATION_ADDRESSES, names.ANNOTATION_SHARING_KEY]
    for row in rows:
        assert " | ".join(f"`{name}`" for name in row) in text
    assert f"`{names.ANNOTATION_ASSIGNED_FROM_POOL}`" in text
    assert f"`{names.LABEL_EXCLUDE_NODE}`" in text


def settings_table(process: str) -> str:
    rows = ["| flag | variable | type | default | meaning |", "|---|---|---|---|---|"]
    for doc in describe(SETTINGS[process]):
        kind, default = doc.type.replace("|", " or "), f"`{doc.default}`" if doc.default else "none"
        default = "required" if doc.default == "required" else default
        rows.append(f"| `{doc.flag}` | `{doc.variable}` | {kind} | {default} | {doc.help} |")
    return "\n".join(rows)


@pytest.mark.parametrize("process", SETTINGS)
def test_the_settings_of_every_process_are_listed_as_they_are(process: str) -> None:
    table = settings_table(process)
    assert table in sections(page("settings"), 2)[f"`{PROGRAMS[process]}`"], f"write this table:\n{table}"


def exposed() -> dict[str, dict[str, tuple[str, str]]]:
    """Heading of docs/reference/metrics.md -> metric -> type and help, as the processes expose them."""
    controller, speaker = registry(), registry()
    ControllerMetrics(controller)
    Report(speaker)
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for process, metrics in (("The controller", controller), ("The speaker", speaker)):
        entries = found.setdefault(process, {})
        for family in metrics.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name not in entries, f"{process} exposes {name} twice"
            entries[name] = (family.type, family.documentation)
    return found


def test_every_metric_is_listed_as_it_is_and_every_listed_one_exists() -> None:
    for process, metrics in exposed().items():
        text = sections(page("metrics"), 2)[process]
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", text, flags=re.MULTILINE)
        assert {name: (kind, meaning) for name, kind, _, meaning in rows} == metrics


def test_every_metric_in_the_code_is_exposed() -> None:
    known = {name for metrics in exposed().values() for name in metrics}
    sources = [path for package in ("lb_controller", "speaker") for path in (ROOT / package).rglob("*.py")]
    written = {name for path in sources for name in re.findall(r'"(heraldlb_[a-z0-9_]+)"', path.read_text())}
    assert not {name for name in written if name not in known and f"{name}_total" not in known}


SELECTOR = {"matchLabels", "matchExpressions"}


def kind_of(schema: dict[str, Any]) -> str:
    """What stands in the column `type`."""
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


def table_of(crd: dict[str, Any]) -> str:
    [version] = crd["spec"]["versions"]
    parts = version["schema"]["openAPIV3Schema"]["properties"]
    rows = [row for part in ("spec", "status") for row in fields(parts.get(part, {}), part)]
    return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_field_of_every_crd_is_listed_as_it_is(path: Path) -> None:
    crd = yaml.safe_load(path.read_text())
    table = table_of(crd)
    assert table in sections(page("crds"), 2)[crd["spec"]["names"]["kind"]], f"write this table:\n{table}"


def test_the_chart_holds_the_crds_of_the_repository() -> None:
    copies = ROOT / "charts" / "heraldlb" / "files" / "crds"
    ours = {path.name: path.read_bytes() for path in CRDS}
    assert ours, "crds/ is empty"
    assert {path.name: path.read_bytes() for path in copies.iterdir()} == ours, "run `make crds`"


def commands(text: str) -> list[str]:
    """The kubectl commands that change something, in order."""
    verbs = r"(?:apply|rollout) [^\n\"]+"
    return re.findall(rf"(?:lab kubectl |self\.kubectl\(\")({verbs})", text)


def test_the_tutorial_does_what_the_demo_does() -> None:
    tutorial = commands((DOCS / "tutorials" / "first-address.md").read_text())
    demo = commands((ROOT / "tests" / "lab" / "demo.py").read_text())
    assert tutorial == demo
    applied = {word.removeprefix("docs/examples/") for command in demo for word in command.split() if "docs/" in word}
    assert applied == {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_says_what_it_is_for_and_is_of_a_known_kind(path: Path) -> None:
    assert path.read_text().startswith("# ")
    for found in yaml.safe_load_all(path.read_text()):
        if found["apiVersion"] == f"{names.GROUP}/{names.VERSION}":
            assert found["kind"] in names.PLURALS
        else:
            assert found["kind"] in ("Deployment", "Service")


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
    assert "helm uninstall heraldlb" in text

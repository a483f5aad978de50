"""The documentation says what the code does: every setting, reason, annotation, metric and CRD field; links resolve."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from lb_controller.model import names, reasons
from lb_controller.runtime.metrics import exposition
from speaker.announcer.bfd.malformed import Drop as BfdDrop
from speaker.decide.preflight import Finding
from tests.support import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
# Labels whose values are few: words of ours, or objects that an administrator declares.
BOUNDED = {"cause", "family", "finding", "kind", "peer", "pool", "protocol", "reason", "result"}


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
        if path.parent.name != "adr" and path.name not in ("README.md", "index.md"):
            assert f"({path.relative_to(DOCS)})" in index, f"{path} is not in docs/README.md"


def test_every_folder_of_pages_is_in_the_contents_of_the_site() -> None:
    folders = {path.parent.name for path in DOCS.rglob("*.md")} - {"docs"}
    index = (DOCS / "index.md").read_text()
    assert {folder for folder in folders if f"\n{folder}/*\n" not in index} == set()


def test_every_reason_has_its_paragraph_and_nothing_else_has() -> None:
    kinds = [
        *(reasons.AssignedReason, reasons.RefusalReason, reasons.NewsReason),
        *(reasons.AnnouncedReason, reasons.OmissionReason, reasons.PeerReason, reasons.ObjectReason),
    ]
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
    assert len(kinds) == 7, "a new enumeration of reasons needs a part in docs/reference/reasons.md and in this test"


def test_every_finding_of_the_preflight_has_its_paragraph_and_nothing_else_has() -> None:
    found = sections(page("preflight"), 3)
    headings = re.findall(r"^### (.+)$", page("preflight"), flags=re.MULTILINE)
    assert headings == [finding.value for finding in Finding]
    assert all(len(found[finding].strip()) > 60 for finding in Finding)


def test_every_annotation_and_label_is_named() -> None:
    text = page("annotations")
    rows = [names.ANNOTATION_ADDRESS_POOL, names.ANNOTATION_ADDRESSES, names.ANNOTATION_SHARING_KEY]
    for row in rows:
        assert " | ".join(f"`{name}`" for name in row) in text
    assert f"`{names.ANNOTATION_ASSIGNED_FROM_POOL}`" in text
    assert f"`{names.ANNOTATION_METALLB_POOL}`" in text
    assert f"`{names.LABEL_EXCLUDE_NODE}`" in text
    assert f"| `{names.ANNOTATION_REBALANCE}` |" in text
    for name in (names.ANNOTATION_BGP_MED, names.ANNOTATION_BGP_PREPEND, names.ANNOTATION_BGP_COMMUNITIES):
        assert f"| `{name}` |" in text


PAGES_OF_REFERENCE = reference.pages()


@pytest.mark.parametrize("found", PAGES_OF_REFERENCE, ids=lambda found: found.path.stem)
def test_what_the_code_writes_into_the_reference_is_up_to_date(found: reference.Page) -> None:
    assert found.text == found.wanted, "run `make docs`"


def test_every_generated_part_stands_on_exactly_one_page() -> None:
    names = [name for found in PAGES_OF_REFERENCE for name in reference.named(found.text)]
    assert sorted(names) == sorted(reference.parts())


def exposed() -> set[str]:
    return {name for process in reference.registries() for name in reference.metrics(process)}


def test_a_page_shows_no_series_that_the_reference_does_not_know() -> None:
    for process, metrics in reference.registries().items():
        text = exposition(metrics).decode()
        shown = set(re.findall(r"^(heraldlb_\w+)", text, flags=re.MULTILINE))
        assert shown
        assert shown <= set(reference.metrics(process))


def test_metrics_are_named_by_the_conventions() -> None:
    for process in reference.registries():
        for name, (kind, meaning) in reference.metrics(process).items():
            assert name.startswith("heraldlb_")
            assert (kind == "counter") == name.endswith("_total"), name
            assert not name.endswith(("_ms", "_milliseconds", "_count", "_bucket")), f"{name}: base units"
            assert len(meaning) > 10, name
            assert set(reference.labels_of(process)[name]) <= BOUNDED, f"{name}: its number of series may grow for ever"


def test_every_reason_for_dropping_a_bfd_packet_is_listed_in_the_order_of_the_checks() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", sections(page("metrics"), 2)["Why a BFD packet is dropped"], re.MULTILINE
    )
    assert [reason for reason, _ in rows] == [str(reason) for reason in BfdDrop]
    assert all(len(meaning) > 10 for _, meaning in rows)


def test_every_metric_in_the_code_is_exposed() -> None:
    known = exposed()
    sources = [path for package in ("lb_controller", "speaker") for path in (ROOT / package).rglob("*.py")]
    written = {name for path in sources for name in re.findall(r'"(heraldlb_[a-z0-9_]+)"', path.read_text())}
    assert not {name for name in written if name not in known and f"{name}_total" not in known}


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


def pictures() -> list[str]:
    text = (DOCS / "explanation" / "architecture.md").read_text()
    return re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)


def test_the_picture_of_the_processes_shows_those_of_the_chart_and_their_sockets() -> None:
    processes, _ = pictures()
    names_in_code = {"controller", "speaker", "announcer", "bgp"}
    assert set(reference.SETTINGS) - {"test"} == names_in_code
    assert all(re.search(rf"\b{name}\b", processes) for name in names_in_code)
    sources = "".join(path.read_text() for path in (ROOT / "speaker").rglob("*.py"))
    sockets = set(re.findall(r"\w+\.sock", processes))
    assert sockets == {"announcer.sock", "bgp.sock"}
    assert all(f'"{socket}"' in sources for socket in sockets)


def test_the_picture_of_the_flow_names_modules_that_exist_and_what_decides_is_pure() -> None:
    _, flow = pictures()
    modules = set(re.findall(r"\b(?:lb_controller|speaker)(?:\.\w+)+", flow))
    assert len(modules) > 20
    for module in modules:
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), f"there is no {module}"
    contract = (ROOT / "pyproject.toml").read_text().split('id = "pure"')[1].split("forbidden_modules")[0]
    pure = re.findall(r'"((?:lb_controller|speaker)[\w.]*)"', contract)
    heads, *lines = flow.splitlines()
    first, last = heads.index("decides"), heads.index("goes out")
    deciding = {line[first:last].strip() for line in lines} - {""}
    shells = {"lb_controller.app.reconcile", "speaker.bgp.reconcile"}  # without I/O too, beside modules that are not
    assert len(deciding) > 6
    assert {name for name in deciding - shells if not name.startswith(tuple(pure))} == set()

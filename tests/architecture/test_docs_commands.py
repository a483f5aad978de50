"""What tutorials and how-tos tell to type exists: programs, targets, files, values of the chart, kinds.

The end-to-end tests run the kubectl commands and apply the manifests on a real API server.
"""

import re

import pytest
import yaml

from lb_controller.model import names
from tests.lab.__main__ import COMMANDS as COMMANDS_OF_THE_LAB
from tests.support.chart import values
from tests.support.documented import ROOT, Found, commands, manifests, sets

PROGRAMS = {"arping", "docker", "helm", "kubectl", "lab", "make", "podman", "sed"}
COMMANDS = commands()
VALUES = {".".join(value.path): value for value in values()}


def test_there_are_commands_and_manifests_to_look_at() -> None:
    assert len(COMMANDS) > 40
    assert len(manifests()) > 10


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_calls_a_program_that_the_page_can_expect(command: Found) -> None:
    text = re.sub(r"^\w+=\$\((.*)\)$", r"\1", command.text)  # UID=$(kubectl ...)
    if text.startswith("lab() {"):
        return
    assert text.split()[0] in PROGRAMS, command


@pytest.mark.parametrize("command", [found for found in COMMANDS if "make " in found.text], ids=str)
def test_a_target_of_make_exists(command: Found) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"\bmake ([a-z-]+)", command.text):
        assert target in targets


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_files_of_the_checkout_exist(command: Found) -> None:
    for path in re.findall(r"\b((?:docs|charts|tests)/[\w./-]+)", command.text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("command", [found for found in COMMANDS if "--set" in found.text], ids=str)
def test_every_value_that_is_set_is_a_value_of_the_chart(command: Found) -> None:
    assert list(sets(command.text))
    for key, _ in sets(command.text):
        assert key in VALUES, f"the chart has no value {key}"
        assert VALUES[key].leaf


def test_values_named_in_the_text_are_values_of_the_chart() -> None:
    prefixes = "|".join({value.path[0] for value in VALUES.values() if not value.leaf})
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if path.name in ("chart-values.md", "log-events.md"):  # these also name values of MetalLB, and modules
            continue
        for key in re.findall(rf"`((?:{prefixes})\.[A-Za-z.]+?)(?:=\S+)?`", path.read_text()):
            assert key in VALUES, f"{path.name}: the chart has no value {key}"


@pytest.mark.parametrize("manifest", manifests(), ids=str)
def test_manifests_are_of_kinds_that_exist(manifest: Found) -> None:
    for found in yaml.safe_load_all(manifest.text):
        if found["apiVersion"] == f"{names.GROUP}/{names.VERSION}":
            assert found["kind"] in names.PLURALS
        else:
            assert found["apiVersion"].split("/")[0] in ("v1", "apps", names.METALLB_GROUP)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_resources_of_our_group_exist(command: Found) -> None:
    for plural in re.findall(rf"\b(\w+)\.{re.escape(names.GROUP)}\b(?!/)", command.text):
        assert (ROOT / "crds" / f"{plural}.yaml").exists(), plural


@pytest.mark.parametrize("command", [found for found in COMMANDS if found.text.startswith("lab ")], ids=str)
def test_a_command_of_the_lab_exists(command: Found) -> None:
    assert command.text.split()[1] in COMMANDS_OF_THE_LAB

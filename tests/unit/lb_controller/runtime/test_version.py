"""Version and bill of materials."""

import re
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

from lb_controller.runtime import sbom, version
from lb_controller.runtime.settings import read
from speaker.app.settings import SpeakerSettings

ROOT = Path(__file__).parents[4]


def test_one_version_stands_everywhere() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "heraldlb" / "Chart.yaml").read_text())
    assert chart["appVersion"] == version.VERSION
    [project] = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert project == version.VERSION
    assert f'image.version="{version.VERSION}"' in (ROOT / "Containerfile").read_text()
    assert f"## {version.VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_version_needs_no_required_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        read(SpeakerSettings, ["--version"], {}, prog="python -m speaker")
    assert left.value.code == 0
    assert capsys.readouterr().out == f"python -m speaker: HeraldLB {version.VERSION}, commit unknown\n"


class Package:
    """A distribution with the metadata given."""

    def __init__(self, **metadata: str | list[str]) -> None:
        self.metadata, self.version = Message(), "1"
        for key, values in metadata.items():
            for value in [values] if isinstance(values, str) else values:
                self.metadata[key.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("package", "licence"),
    [
        (Package(Name="a", License_Expression="MIT OR Apache-2.0", License="ignored"), "MIT OR Apache-2.0"),
        (Package(Name="a", Classifier=["License :: OSI Approved :: BSD License"], License="long"), "BSD-3-Clause"),
        (Package(Name="a", License="Some licence\nand its text"), "Some licence"),
        (Package(Name="a"), ""),
    ],
    ids=["expression", "classifier", "text", "none"],
)
def test_a_licence_is_read_from_what_the_package_says_of_itself(package: Package, licence: str) -> None:
    assert sbom.licence_of(package) == licence


def test_the_bill_is_the_same_for_the_same_packages_in_any_order() -> None:
    found = [distribution("kopf"), distribution("msgspec")]
    assert sbom.document(found) == sbom.document(reversed(found))
    first = sbom.document(found)["components"][0]
    assert first["purl"].startswith("pkg:pypi/kopf@")
    assert first["licenses"] == [{"license": {"name": "MIT"}}]

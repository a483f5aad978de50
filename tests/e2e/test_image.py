"""The image: small, reproducible, says what is in it, and every process starts from what was left in it."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lb_controller.runtime.version import VERSION
from tests.lab import images
from tests.lab.archives import Image
from tests.unit.chart.test_chart import MODULES

pytestmark = [pytest.mark.e2e, pytest.mark.nodes]
BASE_LAYERS = 1
MOST_BYTES = 150_000_000  # beyond the base image, unpacked


@pytest.fixture(scope="module")
def image() -> Image:
    return images.image()


@pytest.fixture(scope="module")
def container(image: Image) -> Iterator[str]:
    name = images.buildah("from", "--pull-never", image.name).strip()
    yield name
    images.buildah("rm", name)


def python(container: str, *words: str) -> str:
    return images.buildah("run", container, "--", "python3", *words)


def test_the_image_is_small(image: Image) -> None:
    ours = sum(layer.path.stat().st_size for layer in image.layers[BASE_LAYERS:])
    assert ours <= MOST_BYTES, f"{ours / 1e6:.0f} MB beyond the base"


@pytest.mark.parametrize("module", sorted({*MODULES.values()}))
def test_every_process_starts_and_says_its_version(container: str, module: str) -> None:
    assert f"HeraldLB {VERSION}, commit " in python(container, "-m", module, "--version")


def test_everything_that_the_processes_import_is_there(container: str) -> None:
    loads = "import importlib, pkgutil, lb_controller, speaker\n"
    loads += "for p in (lb_controller, speaker):\n"
    loads += "    for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.'):\n"
    loads += "        m.name.endswith('__main__') or importlib.import_module(m.name); print(m.name)\n"
    loads += "from kubernetes.aio import client, config\nclient.ApiClient(client.Configuration())"
    assert "lb_controller.kube.client" in python(container, "-W", "ignore", "-c", loads)


def test_the_bgp_daemon_starts(container: str) -> None:
    assert "5.0" in images.buildah("run", container, "--", "exabgp", "version")


def test_the_bill_of_materials_lists_what_the_lock_file_pins_each_with_its_licence(container: str) -> None:
    text = images.buildah("run", container, "--", "cat", "/opt/heraldlb/app/sbom.cdx.json")
    document = json.loads(text)
    listed = {part["purl"] for part in document["components"]}
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", (images.ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert listed == {f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}" for name, version in pinned}
    assert [part["name"] for part in document["components"] if not part.get("licenses")] == []
    licences = {part["name"]: part["licenses"][0]["license"]["name"] for part in document["components"]}
    gpl_only = {name for name, licence in licences.items() if "GPL" in licence and " OR " not in licence}
    assert gpl_only == {"scapy"}, "a licence that NOTICE has to speak of"


def test_the_labels_say_title_version_licences_and_source_commit(image: Image) -> None:
    labels = image.configuration["config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == VERSION
    assert {f"{prefix}{key}" for key in ("title", "description", "licenses", "revision", "base.name")} <= set(labels)
    assert image.configuration["config"]["User"] == "65532:65532"


def test_the_image_is_compiled_so_that_a_read_only_root_costs_nothing(container: str) -> None:
    check = "import speaker.app.brain as b; print(b.__cached__); import os; os.stat(b.__cached__)"
    assert ".pyc" in python(container, "-c", check)


def test_the_same_code_gives_the_same_layer_and_the_commit_is_in_it(tmp_path: Path, image: Image) -> None:
    """The stages above `packages` are built twice without any cache, from files whose times changed in between."""
    packages = f"{images.IMAGE}:test-packages"
    images.build(packages, images.ROOT / "Containerfile", "--target=packages")  # from the cache of `image`
    text = (images.ROOT / "Containerfile").read_text()
    upper = f"FROM {packages} AS packages\n{text[text.index('# --- our code') :]}"
    (tmp_path / "Containerfile").write_text(upper)
    names = [f"{images.IMAGE}:test-twice-{number}" for number in (1, 2)]
    digests = []
    try:
        for name in names:
            os.utime(images.ROOT / "speaker" / "__main__.py")
            images.build(name, tmp_path / "Containerfile", "--no-cache", "--build-arg=COMMIT=abc123")
            digests.append(Image.read(name, images.store()).layers[-1].digest)
        assert digests[0] == digests[1]
        container = images.buildah("from", "--pull-never", names[0]).strip()
        try:
            assert "commit abc123" in python(container, "-m", "speaker", "--version")
        finally:
            images.buildah("rm", container)
    finally:
        for name in names:
            images.buildah("rmi", "-f", name)

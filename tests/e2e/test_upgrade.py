"""Upgrade and rollback on a real cluster while clients on the link and behind the router open connections."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.e2e.patient import assert_only_what_was_under_way_was_cut, reached
from tests.e2e.train import Changes, train
from tests.e2e.world import NAMESPACE, World
from tests.lab import images
from tests.lab.namespaces import NETNS

pytestmark = pytest.mark.e2e
NEW = "localhost/heraldlb-new:next"


@pytest.fixture
def next_chart(tmp_path: Path) -> Path:
    """The chart of a next version: one of its CRDs knows a field more."""
    chart = tmp_path / "heraldlb"
    shutil.copytree(images.ROOT / "charts" / "heraldlb", chart)
    file = chart / "files" / "crds" / "ipaddresspools.yaml"
    document = yaml.safe_load(file.read_text())
    [version] = document["spec"]["versions"]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["owner"] = {"type": "string"}
    file.write_text(yaml.safe_dump(document))
    return chart


def test_no_connection_fails_and_no_address_changes_while_it_is_upgraded_and_rolled_back(
    world: World, next_chart: Path, patient: str
) -> None:
    link = world.service("kept-link", pool="link", app=patient)
    routed = world.service("kept-routed", pool="routed", app=patient)
    before = world.addresses(link) + world.addresses(routed)
    for namespace, address in zip(("cli", "ext"), before, strict=True):
        reached(world, namespace, address)
    pods, revision = of_heraldlb(world), world.revision()
    for node in world.lab.nodes:
        node.name_image(world.lab.load_image(), NEW)
    repository, _, tag = NEW.rpartition(":")
    sets = [f"image.repository={repository}", f"image.tag={tag}", "controller.writers=16", "speaker.drainSeconds=3"]
    flags = ["-n", NAMESPACE, "--wait", "--timeout", "240s", "--reuse-values"]
    cli, ext, rtr = (NETNS / world.lab.space.name(member) for member in ("cli", "ext", "rtr"))
    with (
        Changes(cli, "ip", "monitor", "neigh") as owners,
        Changes(rtr, "ip", "monitor", "route") as routes,
        train(cli, before[0]) as on_link,
        train(ext, before[1]) as through_router,
    ):
        world.lab.helm(
            "upgrade", "heraldlb", str(next_chart), *flags, *(word for one in sets for word in ("--set", one))
        )
        between = of_heraldlb(world)
        deployment = world.lab.get("deployment", "heraldlb-controller", NAMESPACE)
        assert "--writers=16" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "owner" in world.lab.kubectl("get", "crd", "ipaddresspools.heraldlb.io", "-o", "jsonpath={.spec}")
        assert world.addresses(link) + world.addresses(routed) == before
        world.lab.helm("rollback", "heraldlb", str(revision), "-n", NAMESPACE, "--wait", "--timeout", "240s")
        world.speakers_ready()
    assert not pods & between, "pods that were not replaced"
    assert not between & of_heraldlb(world), "pods that were not replaced by the rollback"
    assert world.addresses(link) + world.addresses(routed) == before
    assert_only_what_was_under_way_was_cut(on_link, owners)
    assert_only_what_was_under_way_was_cut(through_router, routes)


def of_heraldlb(world: World) -> set[str]:
    """The pods that run and are not about to end, by UID."""
    items = json.loads(world.lab.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
    return {item["metadata"]["uid"] for item in items if "deletionTimestamp" not in item["metadata"]}

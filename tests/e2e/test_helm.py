"""Helm on a real cluster: changed value, rollback, uninstall that leaves what the documentation says, reinstall."""

import pytest

from tests.e2e.world import NAMESPACE, World
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


def test_upgrade_with_a_changed_value_and_rollback_keep_addresses(world: World) -> None:
    name = world.service("helm-kept", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    revision = world.revision()
    world.upgrade("--set", "controller.logLevel=debug")
    args = world.lab.kubectl("-n", NAMESPACE, "get", "deployment", "heraldlb-controller", "-o", "jsonpath={.spec}")
    assert "debug" in args
    assert world.addresses(name) == [address]
    assert world.answer("cli", address).startswith("web-")
    world.lab.helm("rollback", "heraldlb", str(revision), "-n", NAMESPACE, "--wait", "--timeout", "180s")
    assert world.addresses(name) == [address]
    assert world.answer("cli", address).startswith("web-")


def test_uninstall_leaves_only_the_crds_with_their_objects_and_reinstall_finds_the_addresses(world: World) -> None:
    name = world.service("helm-back", pool="link")
    [address] = world.addresses(name)
    world.answer("cli", address)
    world.lab.helm("uninstall", "heraldlb", "-n", NAMESPACE, "--wait", "--timeout", "180s")
    try:
        eventually(lambda: world.arp_answers(address) == set(), within=10, what=f"silence for {address}")
        eventually(lambda: not world.leftovers(), within=60, what="nothing of HeraldLB left but CRDs")
        assert "customresourcedefinition.apiextensions.k8s.io/ipaddresspools.heraldlb.io" in world.lab.kubectl(
            "get", "crds", "-o", "name"
        )
        assert world.addresses(name) == [address], "the status is the user's record of the address; it stays"
    finally:
        world.install()
    assert world.addresses(name) == [address]
    assert world.answer("cli", address).startswith("web-")

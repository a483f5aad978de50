"""Helm on a real cluster: its test, a changed log level, uninstall that leaves what is documented, reinstall."""

import json
from pathlib import Path

import pytest

from tests.e2e.test_chart_api import EVERYTHING
from tests.e2e.world import NAMESPACE, World
from tests.lab import monitoring
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e


def test_helm_test_assigns_announces_and_answers_and_leaves_nothing(world: World) -> None:
    output = world.lab.helm("test", "heraldlb", "-n", NAMESPACE, "--timeout", "120s")
    assert "Succeeded" in output
    left = world.lab.kubectl("-n", NAMESPACE, "get", "services,pods,roles,serviceaccounts", "-o", "name")
    assert "heraldlb-test" not in left


def test_helm_test_fails_with_the_reason_of_the_refusal(world: World) -> None:
    world.upgrade("--set", "test.pool=nowhere", "--set", "test.timeoutSeconds=5")
    try:
        assert world.lab.try_helm("test", "heraldlb", "-n", NAMESPACE, "--timeout", "120s").returncode != 0
        assert "UnknownPool" in world.lab.kubectl("-n", NAMESPACE, "logs", "heraldlb-test")
    finally:
        world.lab.helm("rollback", "heraldlb", "-n", NAMESPACE, "--wait", "--timeout", "180s")
        world.lab.helm(
            "test", "heraldlb", "-n", NAMESPACE, "--timeout", "120s"
        )  # which removes what the failed one left


def test_it_works_with_every_switch_on(world: World, tmp_path: Path) -> None:
    for crd in monitoring.crds():
        world.lab.kubectl("apply", "--server-side", "-f", f"{crd}")
    secret = ("-n", NAMESPACE, "create", "secret", "generic", "heraldlb-ownership", "--from-literal=keys=1:secret")
    world.lab.kubectl(*secret)
    values = tmp_path / "values.json"
    values.write_text(json.dumps(EVERYTHING))
    revision = world.revision()
    world.upgrade("--values", f"{values}")
    try:
        kinds = "podmonitors,servicemonitors,prometheusrules,networkpolicies"
        made = world.lab.kubectl("-n", NAMESPACE, "get", kinds, "-o", "name").split()
        assert len(made) == 8, made
        name = world.service("switches", pool="link")
        [address] = world.addresses(name)
        assert world.answer("cli", address).startswith("web-")
        assert world.arp_owner(address) in world.lab.node_names
        assert "Succeeded" in world.lab.helm("test", "heraldlb", "-n", NAMESPACE, "--timeout", "120s")
    finally:
        world.lab.helm("rollback", "heraldlb", str(revision), "-n", NAMESPACE, "--wait", "--timeout", "240s")
        world.lab.kubectl("-n", NAMESPACE, "delete", "secret", "heraldlb-ownership")
        world.speakers_ready()


def test_a_changed_log_level_reaches_the_running_pods_without_a_restart(world: World) -> None:
    def pods() -> set[str]:
        return set(world.lab.kubectl("-n", NAMESPACE, "get", "pods", "-o", "name").split())

    before = pods()
    world.upgrade("--set", "speaker.logLevel=debug")
    try:

        def told() -> bool:
            text = world.lab.kubectl("-n", NAMESPACE, "logs", "daemonset/heraldlb-speaker", "-c", "announcer")
            return '"log_level_changed"' in text

        eventually(told, within=150, what="the new level in the log of the announcer")
        assert pods() == before
    finally:
        world.lab.helm("rollback", "heraldlb", "-n", NAMESPACE, "--wait", "--timeout", "180s")


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

"""Scenarios of layer-2 decisions: a whole cluster in (input.yaml), announcements and omissions out (expected.yaml).

The configuration objects are real ones and go through the real parser. `interfaces` are those of node `me`; absent
means all. Each scenario is decided twice: by the incremental Decider and, as a cluster fed in another order, once more.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lb_controller.model.cluster import Node
from speaker.decide.decider import Decider
from speaker.decide.layer2 import Announcement
from tests.conformance.test_bgp import config_of, service_of

SCENARIOS = sorted(path for path in (Path(__file__).parent / "layer2").iterdir() if path.is_dir())


def node_of(given: dict[str, Any]) -> Node:
    return Node(
        name=given["name"],
        labels=given.get("labels", {}),
        ready=given.get("ready", True),
        network_unavailable=given.get("networkUnavailable", False),
        unschedulable=given.get("unschedulable", False),
        deleting=given.get("deleting", False),
    )


def decided(given: dict[str, Any], *, backwards: bool = False) -> Decider:
    """The Decider after it heard of everything, the configuration last when `backwards`."""
    decider = Decider(given["me"], ignore_exclusion=given.get("ignoreExclusion", False))
    nodes = [node_of(entry) for entry in given["nodes"]]
    services = [service_of(entry) for entry in given["services"]]

    def tell() -> None:
        for node in reversed(nodes) if backwards else nodes:
            decider.set_node(node.name, node)
        for service, endpoints in reversed(services) if backwards else services:
            decider.set_service(service.key, service)
            decider.set_endpoints(service.key, endpoints)

    if backwards:
        tell()
        decider.settle()
    decider.set_config(config_of(given))
    if not backwards:
        tell()
    decider.settle()
    return decider


def shown(announcement: Announcement) -> dict[str, Any]:
    """An announcement as an expectation writes it."""
    found: dict[str, Any] = {
        "candidates": list(announcement.candidates),
        "services": [str(key) for key in announcement.services],
    }
    if announcement.interfaces is not None:
        found["interfaces"] = sorted(announcement.interfaces)
    if announcement.rebalance:
        found["rebalance"] = sorted(announcement.rebalance)
    return found


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_the_link_hears_what_the_scenario_expects(scenario: Path, backwards: bool) -> None:
    given = yaml.safe_load((scenario / "input.yaml").read_text())
    expected = yaml.safe_load((scenario / "expected.yaml").read_text())
    decider = decided(given, backwards=backwards)
    found = {str(address): shown(announcement) for address, announcement in decider.announcements.items()}
    assert found == expected["announcements"]
    omissions = {
        f"{key} {address}": omission
        for address, entries in decider.omissions.items()
        for key, omission in entries.items()
    }
    assert {name: str(omission.reason) for name, omission in omissions.items()} == {
        name: wanted["reason"] for name, wanted in expected["omissions"].items()
    }
    for name, wanted in expected["omissions"].items():
        assert wanted["says"] in omissions[name].message
        assert name.split()[0] in omissions[name].message or name.split()[1] in omissions[name].message


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_address_of_every_service_is_announced_or_has_its_reason(scenario: Path) -> None:
    given = yaml.safe_load((scenario / "input.yaml").read_text())
    decider = decided(given)
    for service in decider.cluster.services.values():
        for address in service.ingress:
            announcement = decider.announcements.get(address)
            announced = announcement is not None and service.key in announcement.services
            omitted = service.key in decider.omissions.get(address, {})
            assert announced != omitted, f"{service.key} {address}"

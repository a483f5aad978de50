"""The scenarios of assignment (tests/conformance/assignment) at a real API server, before a real controller."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.controller_world import ROOT, ControllerProcess
from tests.e2e.test_controller_metallb import MetalLB
from tests.lab.lab import Lab
from tests.support.scenarios import Scenario, load, scenarios

pytestmark = pytest.mark.e2e
FLAGS = {
    "strandedAddresses": "--stranded-addresses",
    "serveUnclassed": "--serve-unclassed",
    "loadBalancerClass": "--load-balancer-class",
}
PLAYED = [scenario for scenario in map(load, scenarios()) if not scenario.offline]
FOUND = [scenario for scenario in PLAYED if scenario.found_at_start]
LIVE = [scenario for scenario in PLAYED if not scenario.found_at_start]
Result = dict[str, Any]


def settings_of(scenario: Scenario) -> tuple[str, ...]:
    """The controller's flags that the scenario asks for."""
    return tuple(f"{FLAGS[name]}={value}" for name, value in scenario.settings.items())


def player(api: Lab, how: str, group: list[Scenario]) -> dict[str, Result]:
    """What the player says of each scenario, all of the same settings."""
    class_ = group[0].settings.get("loadBalancerClass", "heraldlb.io/heraldlb")
    words = [sys.executable, "-m", "tests.e2e.player", how, str(api.kubeconfig), class_, *(one.name for one in group)]
    output = api.space.run("cp", "env", f"PYTHONPATH={ROOT}", *words, timeout=600)
    return {result["name"]: result for result in map(json.loads, output.splitlines())}


@pytest.fixture(scope="module", autouse=True)
def kinds_of_metallb(api: Lab) -> Iterator[None]:
    metallb = MetalLB(api)
    metallb.install_crds()
    yield
    metallb.remove_crds()


@pytest.fixture(scope="module")
def results(api: Lab, system: ControllerProcess) -> dict[str, Result]:
    """What became of each scenario; those with the same settings are played before one controller."""
    found: dict[str, Result] = {}
    try:
        for flags in dict.fromkeys(map(settings_of, LIVE)):
            system.start(*flags)
            found |= player(api, "play", [scenario for scenario in LIVE if settings_of(scenario) == flags])
            system.end_test()
    finally:
        system.end_test()
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [scenario.name for scenario in LIVE])
def test_the_api_shows_what_the_scenario_expects(results: dict[str, Result], name: str) -> None:
    assert results[name]["why"] == ""


@pytest.mark.parametrize("scenario", FOUND, ids=lambda scenario: scenario.name)
def test_a_controller_that_starts_makes_of_it_what_the_scenario_expects(
    api: Lab, processes: ControllerProcess, scenario: Scenario
) -> None:
    player(api, "lay", [scenario])
    processes.start(*settings_of(scenario))
    [result] = player(api, "laid", [scenario]).values()
    assert result["why"] == ""


def test_nearly_all_scenarios_can_be_played() -> None:
    assert len(PLAYED) > 0.9 * len(scenarios())

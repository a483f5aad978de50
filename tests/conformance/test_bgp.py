"""Scenarios of BGP decisions: a cluster in (input.yaml), this node's peers, routes and omissions out (expected.yaml).

The configuration objects are real ones and go through the real parser. Of a peer only the fields that the expectation
names are compared.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lb_controller.model.address import parse_address
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import Config, Origin
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject
from speaker.decide.bgp import desired_bgp
from speaker.decide.facts import Cluster
from speaker.ipc.messages import Parting, Route

SCENARIOS = sorted(path for path in (Path(__file__).parent / "bgp").iterdir() if path.is_dir())


def node_of(given: dict[str, Any]) -> Node:
    return Node(
        name=given["name"],
        labels=given.get("labels", {}),
        ready=given.get("ready", True),
        network_unavailable=given.get("networkUnavailable", False),
        unschedulable=given.get("unschedulable", False),
        addresses=tuple(map(parse_address, given["addresses"])),
    )


def service_of(given: dict[str, Any]) -> tuple[Service, tuple[Endpoint, ...]]:
    key = ServiceKey("default", given["name"])
    service = Service(
        key=key,
        uid=given["name"],
        labels=given.get("labels", {}),
        annotations=given.get("annotations", {}),
        traffic_policy=TrafficPolicy(given.get("policy", "Cluster")),
        ingress=tuple(map(parse_address, given["addresses"])),
    )
    return service, tuple(Endpoint(**endpoint) for endpoint in given["endpoints"])


def cluster_of(given: dict[str, Any]) -> Cluster:
    services = [service_of(entry) for entry in given["services"]]
    return Cluster(
        services={service.key: service for service, _ in services},
        nodes={entry["name"]: node_of(entry) for entry in given["nodes"]},
        endpoints={service.key: endpoints for service, endpoints in services},
    )


def config_of(given: dict[str, Any]) -> Config:
    raws = [
        RawObject(
            entry["kind"],
            Origin(entry.get("group", "heraldlb.io")),
            {
                "metadata": {key: entry[key] for key in ("name", "labels", "annotations") if key in entry},
                "spec": entry["spec"],
            },
        )
        for entry in given["objects"]
    ]
    config, problems = parse_config(raws)
    assert not [problem for problem in problems if problem.severity == "Error"], problems
    return config


def shown(route: Route) -> dict[str, Any]:
    """A route as an expectation writes it: only what was set."""
    extra = {
        "localPref": route.local_pref,
        "med": route.med,
        "prepend": route.prepend or None,
        "communities": list(route.communities) or None,
        "extended": list(route.extended) or None,
        "parting": None if route.parting is Parting.STAYS else str(route.parting),
    }
    return {
        "prefix": route.prefix,
        "peers": list(route.peers),
        **{name: value for name, value in extra.items() if value is not None},
    }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_the_node_announces_what_the_scenario_expects(scenario: Path) -> None:
    given = yaml.safe_load((scenario / "input.yaml").read_text())
    expected = yaml.safe_load((scenario / "expected.yaml").read_text())
    decision = desired_bgp(
        config_of(given),
        cluster_of(given),
        given["me"],
        given.get("passwords", {}),
        ignore_exclusion=given.get("ignoreExclusion", False),
    )
    assert sorted(map(shown, decision.routes), key=str) == sorted(expected["routes"], key=str)
    assert decision.for_good == expected.get("forGood", False)
    reasons = {f"{key} {address}": omission.reason.value for (key, address), omission in decision.omissions.items()}
    assert reasons == expected["omissions"]
    assert [peer.name for peer in decision.peers] == list(expected["peers"])
    for peer in decision.peers:
        for name, value in expected["peers"][peer.name].items():
            found = msgspec.json.decode(msgspec.json.encode(getattr(peer, name)))
            if isinstance(found, dict):
                found.pop("type")
            assert found == value, f"{name} of {peer.name}"
    notes = {f"{key} {address}": note for (key, address), note in decision.notes.items()}
    for sentences, wanted in (
        (notes, expected.get("serviceNotes", {})),
        (decision.refused_peers, expected.get("refusedPeers", {})),
        (decision.peer_notes, expected.get("notes", {})),
    ):
        assert sentences.keys() == wanted.keys()
        for name, words in wanted.items():
            assert words in sentences[name]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_omission_is_a_sentence_that_names_what_it_is_about(scenario: Path) -> None:
    given = yaml.safe_load((scenario / "input.yaml").read_text())
    decision = desired_bgp(config_of(given), cluster_of(given), given["me"], given.get("passwords", {}))
    for omission in decision.omissions.values():
        assert len(omission.message.split()) > 5
        assert "{" not in omission.message

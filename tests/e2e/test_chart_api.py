"""The rendered chart on the real API server: every object with every switch is taken, and pods keep to Pod Security."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import monitoring
from tests.lab.lab import Lab
from tests.unit.chart.test_chart import NAMESPACE, OTHER_VALUES, render
from tests.unit.chart.test_pod_security import pod_specs

pytestmark = pytest.mark.e2e
ON = {"enabled": True}
EVERYTHING: dict[str, Any] = {
    "networkpolicies": {"enabled": True, "defaultDeny": True},
    "prometheus": {
        "scrapeAnnotations": True,
        **dict.fromkeys(("services", "podMonitor", "serviceMonitor", "prometheusRule", "dashboard"), ON),
    },
    "commonLabels": {"team": "network"},
    "metalLB": {"coexistence": "ignore"},
    "webhook": {"failurePolicy": "Fail"},
    "controller": {"replicas": 3, "strandedAddresses": "Reassign"},
    "speaker": {
        "ignoreExcludeLB": True,
        "passwordSecrets": ["router"],
        "ownership": {"keySecret": "heraldlb-ownership", "failback": "Immediate"},
    },
}


@pytest.fixture(scope="module")
def namespace(api: Lab) -> Iterator[Lab]:
    """The API-only lab with the namespace of the release, which stays: other tests of the lab want it too."""
    api.try_kubectl("create", "namespace", NAMESPACE)
    for crd in monitoring.crds():
        api.kubectl("apply", "--server-side", "-f", f"{crd}")
    api.kubectl("-n", NAMESPACE, "create", "serviceaccount", "heraldlb-test")  # no pod is taken without its account
    yield api
    api.kubectl("-n", NAMESPACE, "delete", "serviceaccount", "heraldlb-test")


@pytest.mark.parametrize("values", [{}, EVERYTHING, OTHER_VALUES], ids=["default", "every switch", "other values"])
def test_the_api_server_takes_every_object_of_the_chart(namespace: Lab, values: dict[str, Any]) -> None:
    if values is OTHER_VALUES:
        values = json.loads(json.dumps(values))
        del values["controller"]["affinity"]["nodeAffinity"]  # a note there shows only that it is passed on
    objects = [found for found in render(values) if found["kind"] != "CustomResourceDefinition"]  # see test_crds.py
    assert len(objects) > 15
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)


def pod(spec: dict[str, Any], name: str) -> str:
    spec = {**spec, "serviceAccountName": "default"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "strict"}, "spec": spec}
    )


def test_pod_security_lets_everything_but_the_speaker_into_a_restricted_namespace(namespace: Lab) -> None:
    level = "pod-security.kubernetes.io/enforce"
    namespace.kubectl("create", "namespace", "strict")
    namespace.kubectl("label", "namespace", "strict", f"{level}=restricted")
    try:
        specs = pod_specs(render(EVERYTHING))
        for name in ("heraldlb-controller", "heraldlb-test"):
            result = namespace.try_kubectl("create", "--dry-run=server", "-f", "-", input=pod(specs[name], name))
            assert "PodSecurity" not in result.stderr, result.stderr
        speaker = pod(specs["heraldlb-speaker"], "heraldlb-speaker")
        refused = namespace.try_kubectl("create", "--dry-run=server", "-f", "-", input=speaker).stderr
        assert "violates PodSecurity" in refused
        assert "host namespaces" in refused
        namespace.kubectl("label", "--overwrite", "namespace", "strict", f"{level}=privileged")
        allowed = namespace.try_kubectl("create", "--dry-run=server", "-f", "-", input=speaker)
        assert "PodSecurity" not in allowed.stderr
    finally:
        namespace.kubectl("delete", "namespace", "strict", "--wait=false")

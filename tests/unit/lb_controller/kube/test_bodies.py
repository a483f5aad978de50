"""Bodies of writes: statuses by server-side apply, and Events."""

import ipaddress

import pytest

from lb_controller.kube.events import About, Event, event_body
from lb_controller.kube.patch import object_status, service_status, transition_time
from lb_controller.kube.resources import SERVICES, Resource, custom
from lb_controller.model.cluster import Condition

TOLD = Condition("heraldlb.io/Assigned", "True", "Assigned", "m", 3, "2026-01-01T00:00:00Z")


def test_a_service_status_holds_addresses_with_mode_condition_annotation_and_version() -> None:
    addresses = [ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1")]
    body = service_status("web", "ns", "7", ingress=addresses, conditions=[TOLD], annotations={"a/b": "c"})
    assert body["metadata"] == {
        "name": "web",
        "namespace": "ns",
        "resourceVersion": "7",
        "annotations": {"a/b": "c"},
    }
    assert body["status"]["loadBalancer"]["ingress"] == [
        {"ip": "192.0.2.1", "ipMode": "VIP"},
        {"ip": "2001:db8::1", "ipMode": "VIP"},
    ]
    [condition] = body["status"]["conditions"]
    assert condition == {
        "type": "heraldlb.io/Assigned",
        "status": "True",
        "reason": "Assigned",
        "message": "m",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def test_what_is_to_be_released_is_left_out() -> None:
    body = service_status("web", "ns", "7", ingress=None, conditions=[], annotations={})
    assert body["status"] == {}
    assert "annotations" not in body["metadata"]


def test_an_own_object_status_holds_fields_and_conditions() -> None:
    body = object_status("heraldlb.io/v1beta1", "IPAddressPool", "p", conditions=[TOLD], fields={"assignedIPv4": 1})
    assert body["metadata"] == {"name": "p"}
    assert body["status"]["assignedIPv4"] == 1
    assert len(body["status"]["conditions"]) == 1


@pytest.mark.parametrize(
    ("told", "status", "time"),
    [(None, "True", "now"), (TOLD, "True", "2026-01-01T00:00:00Z"), (TOLD, "False", "now")],
)
def test_the_transition_time_moves_only_with_the_status(told: Condition | None, status: str, time: str) -> None:
    assert transition_time(told, status, "now") == time


def test_an_event_about_a_cluster_scoped_object_lives_in_default_and_fits() -> None:
    about = About(api_version="v1", kind="X", namespace="", name="n" * 253, uid="u")
    body = event_body(Event(about, "Warning", "Reason", "m" * 5000, "t"), component="c", suffix="s")
    metadata, message = body["metadata"], body["message"]
    assert isinstance(metadata, dict)
    assert metadata["namespace"] == "default"
    assert len(metadata["name"]) <= 253
    assert isinstance(message, str)
    assert len(message) < 1024


def test_paths_of_lists_and_objects() -> None:
    assert SERVICES.path == "/api/v1/services"
    assert SERVICES.object_path("ns", "web") == "/api/v1/namespaces/ns/services/web"
    assert custom("IPAddressPool").object_path("", "p") == "/apis/heraldlb.io/v1beta1/ipaddresspools/p"
    assert Resource("", "v1", "secrets", "ns").path == "/api/v1/namespaces/ns/secrets"

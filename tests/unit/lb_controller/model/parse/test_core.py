"""Kubernetes' own objects: odd values are left out, nothing raises."""

from typing import Any

import msgspec
import pytest

from lb_controller.model import wire
from lb_controller.model.address import Family
from lb_controller.model.cluster import Endpoint, FamilyPolicy, Port, Service, TrafficPolicy
from lb_controller.model.parse import core


def service(**parts: Any) -> Service:
    body = {"metadata": {"namespace": "default", "name": "web", "uid": "u"}, **parts}
    return core.service(msgspec.json.decode(msgspec.json.encode(body), type=wire.Service))


def addresses(found: Service) -> list[str]:
    return [str(address) for address in found.ingress]


def test_a_bare_service_reads() -> None:
    found = service()
    assert str(found.key) == "default/web"
    assert (found.cluster_ips, found.families, found.ingress, found.load_balancer_class) == ((), (), (), None)


def test_ingress_without_an_address_is_left_out() -> None:
    entries = [{"hostname": "lb.example"}, {"ip": "192.0.2.1", "ipMode": "VIP"}, {"ip": "no"}, {"ip": "2001:db8::1"}]
    assert addresses(service(status={"loadBalancer": {"ingress": entries}})) == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize("status", [{}, {"loadBalancer": {}}, {"loadBalancer": {"ingress": None}}])
def test_an_empty_status_has_no_ingress(status: dict[str, Any]) -> None:
    assert addresses(service(status=status)) == []


def test_a_headless_service_has_no_cluster_ip() -> None:
    assert service(spec={"clusterIP": "None", "clusterIPs": ["None"]}).cluster_ips == ()


def test_families_come_from_the_cluster_ips_where_none_are_written() -> None:
    assert service(spec={"clusterIP": "10.96.0.1"}).families == (Family.IPV4,)
    written = {"clusterIPs": ["fd00::1", "10.96.0.1"], "ipFamilies": ["IPv6", "IPv4"]}
    assert service(spec=written).families == (Family.IPV6, Family.IPV4)


def test_unknown_words_mean_the_default() -> None:
    found = service(spec={"ipFamilies": ["IPv9"], "ipFamilyPolicy": "Triple", "externalTrafficPolicy": "Near"})
    assert found.families == ()
    assert found.family_policy is FamilyPolicy.SINGLE_STACK
    assert found.traffic_policy is TrafficPolicy.CLUSTER


def test_ports_and_policies_are_read() -> None:
    spec = {
        "ipFamilyPolicy": "RequireDualStack",
        "externalTrafficPolicy": "Local",
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}],
    }
    found = service(spec=spec)
    assert found.family_policy is FamilyPolicy.REQUIRE_DUAL_STACK
    assert found.traffic_policy is TrafficPolicy.LOCAL
    assert found.ports == (Port("UDP", 53), Port("TCP", 53))


def test_only_annotations_of_ours_and_metallb_are_kept() -> None:
    kept = {"heraldlb.io/address-pool": "a", "metallb.io/address-pool": "b", "metallb.universe.tf/allow-shared-ip": "k"}
    others = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "heraldlb.iox/y": "z"}
    metadata = {"namespace": "default", "name": "web", "annotations": {**kept, **others}}
    assert dict(service(metadata=metadata).annotations) == kept


def test_only_our_conditions_are_kept() -> None:
    conditions = [
        {"type": "Other", "status": "True"},
        {"type": "heraldlb.io/Assigned", "status": "False", "reason": "NoPool", "message": "m"},
    ]
    found = service(status={"conditions": conditions})
    assert [condition.type for condition in found.conditions] == ["heraldlb.io/Assigned"]
    assigned = found.condition("heraldlb.io/Assigned")
    assert assigned is not None
    assert (assigned.status, assigned.reason) == ("False", "NoPool")
    assert found.condition("heraldlb.io/Announced") is None


def test_a_service_that_is_being_deleted_says_so() -> None:
    metadata = {"namespace": "default", "name": "web", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert service(metadata=metadata).deleting


def node(**status: Any) -> wire.Node:
    return msgspec.convert({"metadata": {"name": "n"}, "status": status}, wire.Node)


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_node_is_ready_when_its_condition_is_true(status: str, ready: bool) -> None:
    assert core.node(node(conditions=[{"type": "Ready", "status": status}])).ready is ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert not core.node(node()).ready


def test_a_node_has_its_internal_addresses_only() -> None:
    entries = [
        ("InternalIP", "192.0.2.1"),
        ("Hostname", "n"),
        ("ExternalIP", "198.51.100.1"),
        ("InternalIP", "fd00::1"),
    ]
    found = core.node(node(addresses=[{"type": type_, "address": address} for type_, address in entries]))
    assert [str(address) for address in found.addresses] == ["192.0.2.1", "fd00::1"]


def test_a_namespace_has_its_labels() -> None:
    found = core.namespace(msgspec.convert({"metadata": {"name": "n", "labels": {"a": "b"}}}, wire.Namespace))
    assert (found.name, dict(found.labels)) == ("n", {"a": "b"})


@pytest.mark.parametrize(
    ("conditions", "endpoint"),
    [
        ({}, Endpoint("n", ready=True, serving=True)),
        ({"ready": True}, Endpoint("n", ready=True, serving=True)),
        ({"ready": False}, Endpoint("n", ready=False, serving=False)),
        ({"ready": False, "serving": True, "terminating": True}, Endpoint("n", False, True, True)),
    ],
)
def test_unset_conditions_of_an_endpoint_mean_what_kube_proxy_takes_them_for(
    conditions: dict[str, bool], endpoint: Endpoint
) -> None:
    labels = {"kubernetes.io/service-name": "web"}
    body = {
        "metadata": {"namespace": "default", "name": "web-1", "labels": labels},
        "endpoints": [{"nodeName": "n", "conditions": conditions}],
    }
    found = core.endpoint_slice(msgspec.convert(body, wire.EndpointSlice))
    assert (found.namespace, found.service, found.endpoints) == ("default", "web", (endpoint,))


def test_a_slice_without_endpoints_or_service_reads_empty() -> None:
    found = core.endpoint_slice(msgspec.convert({"metadata": {"name": "s"}, "endpoints": None}, wire.EndpointSlice))
    assert (found.service, found.endpoints) == ("", ())

"""The same object by a watch and by a list is the same value."""

import json

import msgspec
import pytest

from lb_controller.app.inputs import SOURCES, from_json, from_mapping, is_watched, sources
from lb_controller.app.settings import ControllerSettings
from lb_controller.model import names
from lb_controller.model.config import Origin
from lb_controller.model.parse.objects import RawObject
from lb_controller.runtime.settings import read

META = {"name": "x", "namespace": "", "resourceVersion": "7", "labels": {"a": "b"}}
BODIES = [
    ("Service", {"metadata": {**META, "namespace": "ns"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}),
    ("Namespace", {"metadata": META}),
    ("IPAddressPool", {"metadata": META, "spec": {"addresses": ["192.0.2.0/28"]}}),
    ("metallb.io/IPAddressPool", {"metadata": META, "spec": {"addresses": ["192.0.2.0/28"]}}),
    ("Node", {"metadata": META, "spec": {"podCIDRs": ["10.1.0.0/24"]}, "status": {"addresses": []}}),
    ("ServiceCIDR", {"metadata": META, "spec": {"cidrs": ["10.96.0.0/12", "fd00::/112"]}}),
]


@pytest.mark.parametrize(("source", "body"), BODIES)
def test_a_watch_and_a_list_give_the_same_value(source: str, body: dict[str, object]) -> None:
    by_watch, by_list = from_mapping(source, body), from_json(source, json.dumps(body).encode())
    assert by_watch == by_list
    assert (by_watch.key[1], by_watch.version) == ("x", 7)


BROKEN = [("Service", {"metadata": META, "spec": {"ports": "many"}}), ("IPAddressPool", {"metadata": "none"})]


@pytest.mark.parametrize(("source", "body"), BROKEN)
def test_what_cannot_be_read_is_a_value_error(source: str, body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        from_mapping(source, body)
    with pytest.raises(msgspec.ValidationError):
        from_json(source, json.dumps(body).encode())


TYPES = [("Service", "LoadBalancer", True), ("Service", "ClusterIP", False), ("IPAddressPool", "", True)]


@pytest.mark.parametrize(("source", "type_", "watched"), TYPES)
def test_a_service_fetched_after_its_type_changed_is_not_ours_to_watch(source: str, type_: str, watched: bool) -> None:
    assert is_watched(source, json.dumps({"metadata": META, "spec": {"type": type_}}).encode()) is watched


def test_the_controller_needs_no_setting_in_a_pod() -> None:
    settings = read(ControllerSettings, [], {"POD_NAME": "pod-1", "POD_NAMESPACE": "lb"}, prog="test")
    assert (settings.replica, settings.namespace, settings.kubeconfig) == ("pod-1", "lb", None)


def test_metallb_s_objects_are_read_from_one_namespace_or_not_at_all() -> None:
    theirs = {source: str(resource.path) for source, resource in sources("lb").items() if source not in SOURCES}
    assert theirs["metallb.io/BGPPeer"] == "/apis/metallb.io/v1beta2/namespaces/lb/bgppeers"
    assert theirs["metallb.io/IPAddressPool"] == "/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools"
    assert len(theirs) == len(names.PLURALS)
    assert sources("") == SOURCES


def test_an_object_knows_which_group_it_came_from() -> None:
    for source, origin in (("IPAddressPool", Origin.HERALDLB), ("metallb.io/IPAddressPool", Origin.METALLB)):
        found = from_mapping(source, {"metadata": META}).value
        assert isinstance(found, RawObject)
        assert (found.kind, found.origin) == ("IPAddressPool", origin)

"""EndpointSlices of a Service together."""

from lb_controller.model.cluster import Endpoint, EndpointSlice, ServiceKey
from speaker.app.slices import Slices

WEB, API = ServiceKey("default", "web"), ServiceKey("default", "api")
A, B, C = Endpoint("a"), Endpoint("b"), Endpoint("c")


def piece(name: str, service: str, *endpoints: Endpoint) -> EndpointSlice:
    return EndpointSlice("default", name, service, endpoints)


def test_the_endpoints_of_all_slices_come_together_in_the_order_of_names() -> None:
    slices = Slices()
    assert slices.put(("default", "web-2"), piece("web-2", "web", B)) == {WEB: (B,)}
    assert slices.put(("default", "web-1"), piece("web-1", "web", A, C)) == {WEB: (A, C, B)}


def test_a_changed_slice_replaces_what_it_said() -> None:
    slices = Slices()
    slices.put(("default", "web-1"), piece("web-1", "web", A))
    assert slices.put(("default", "web-1"), piece("web-1", "web", B)) == {WEB: (B,)}


def test_the_last_slice_takes_the_endpoints_with_it() -> None:
    slices = Slices()
    slices.put(("default", "web-1"), piece("web-1", "web", A))
    assert slices.put(("default", "web-1"), None) == {WEB: ()}
    assert slices.put(("default", "web-1"), None) == {}
    assert slices.put(("default", "web-1"), piece("web-1", "web", B)) == {WEB: (B,)}


def test_a_slice_that_changes_hands_touches_both_services() -> None:
    slices = Slices()
    slices.put(("default", "x"), piece("x", "web", A))
    slices.put(("default", "y"), piece("y", "web", B))
    assert slices.put(("default", "x"), piece("x", "api", A)) == {WEB: (B,), API: (A,)}


def test_a_slice_of_no_service_touches_nobody() -> None:
    assert Slices().put(("default", "x"), piece("x", "", A)) == {}


def test_slices_of_one_name_in_two_namespaces_are_two() -> None:
    slices = Slices()
    slices.put(("default", "x"), piece("x", "web", A))
    assert slices.put(("other", "x"), EndpointSlice("other", "x", "web", (B,))) == {ServiceKey("other", "web"): (B,)}
    assert slices.put(("default", "x"), None) == {WEB: ()}

"""Which addresses nobody announces, and whose reason is told."""

import pytest

from lb_controller.model.address import parse_address
from lb_controller.model.cluster import ServiceKey
from lb_controller.model.reasons import OmissionReason
from speaker.decide.facts import Omission
from speaker.decide.silence import silent

A, B = parse_address("192.0.2.1"), parse_address("192.0.2.2")
WEB, API = ServiceKey("default", "web"), ServiceKey("default", "api")
UNMATCHED = Omission(OmissionReason.NO_MATCHING_ADVERTISEMENT, "no advertisement")
UNKNOWN = Omission(OmissionReason.POOL_UNKNOWN, "no pool")
EMPTY = Omission(OmissionReason.NO_USABLE_ENDPOINT, "no endpoint")
UNPEERED = Omission(OmissionReason.NO_PEER, "no peer")


def test_without_bgp_what_the_link_leaves_out_is_silent() -> None:
    assert silent({A: {WEB: EMPTY}, B: {API: UNMATCHED}}, None) == {(WEB, A): EMPTY, (API, B): UNMATCHED}


def test_an_address_that_one_of_the_two_announces_is_not_silent() -> None:
    assert silent({A: {WEB: UNMATCHED}}, {}) == {}
    assert silent({}, {(WEB, A): UNMATCHED}) == {}


@pytest.mark.parametrize(
    ("link", "bgp", "told"),
    [
        (UNMATCHED, UNPEERED, UNPEERED),
        (UNKNOWN, UNPEERED, UNPEERED),
        (EMPTY, UNMATCHED, EMPTY),
        (EMPTY, UNPEERED, EMPTY),
        (UNMATCHED, UNMATCHED, UNMATCHED),
        (UNMATCHED, UNKNOWN, UNMATCHED),
    ],
)
def test_the_reason_is_that_of_the_protocol_that_was_meant(link: Omission, bgp: Omission, told: Omission) -> None:
    assert silent({A: {WEB: link}}, {(WEB, A): bgp}) == {(WEB, A): told}


def test_services_of_one_address_have_their_own_reasons() -> None:
    assert silent({A: {WEB: EMPTY, API: EMPTY}}, {(API, A): EMPTY}) == {(API, A): EMPTY}

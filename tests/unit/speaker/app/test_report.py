"""What the announcers report, on /metrics."""

import pytest
import structlog

from lb_controller.model.address import parse_address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.reasons import OmissionReason
from lb_controller.runtime.metrics import exposition, registry
from speaker.app import report as module
from speaker.app.report import Report
from speaker.decide.facts import Omission
from speaker.ipc.messages import BgpState, Counters, LinkState, SessionState


@pytest.fixture
def report() -> Report:
    return Report(registry())


def shown(report: Report, name: str) -> list[str]:
    """The lines of one metric."""
    text = exposition(report.metrics).decode()
    return [line for line in text.splitlines() if line.startswith(name)]


def logged(report: Report, *messages: LinkState | BgpState) -> list[str]:
    """The events that these reports are logged as."""
    with structlog.testing.capture_logs() as lines:
        for message in messages:
            if isinstance(message, LinkState):
                report.owned_now(message)
            else:
                report.sessions_now(message)
    return [
        " ".join(str(value) for key, value in sorted(line.items()) if key in ("event", "address", "peer"))
        for line in lines
    ]


def test_counters_of_the_announcers_are_shown_as_they_were_said_last(report: Report) -> None:
    report.announcer_counters(Counters(values={"heraldlb_layer2_requests_received_total": {"ipv4": 3.0}}))
    report.announcer_counters(Counters(values={"heraldlb_layer2_requests_received_total": {"ipv4": 4.0, "ipv6": 1.0}}))
    assert shown(report, "heraldlb_layer2_requests") == [
        'heraldlb_layer2_requests_received_total{family="ipv4"} 4.0',
        'heraldlb_layer2_requests_received_total{family="ipv6"} 1.0',
    ]
    report.bgp_counters(Counters(values={"heraldlb_bgp_daemon_starts_total": {"": 1.0}}))
    assert shown(report, "heraldlb_bgp_daemon_starts") == ["heraldlb_bgp_daemon_starts_total 1.0"]
    assert shown(report, "heraldlb_layer2_requests"), "the BGP process says nothing about layer 2"


def test_a_counter_that_nobody_described_is_not_shown(report: Report) -> None:
    report.announcer_counters(Counters(values={"surprise_total": {"": 1.0}}))
    assert not shown(report, "surprise")


def test_sessions_are_shown_and_vanish_with_their_peer(report: Report) -> None:
    up, down = SessionState(peer="a", up=True, routes=7), SessionState(peer="b", up=False, last_error="refused")
    report.sessions_now(BgpState(sessions=(up, down)))
    assert shown(report, "heraldlb_bgp_session_up{") == [
        'heraldlb_bgp_session_up{peer="a"} 1.0',
        'heraldlb_bgp_session_up{peer="b"} 0.0',
    ]
    assert shown(report, "heraldlb_bgp_announced_prefixes{") == [
        'heraldlb_bgp_announced_prefixes{peer="a"} 7.0',
        'heraldlb_bgp_announced_prefixes{peer="b"} 0.0',
    ]
    report.sessions_now(BgpState(sessions=(up,)))
    assert shown(report, "heraldlb_bgp_session_up{") == ['heraldlb_bgp_session_up{peer="a"} 1.0']


def test_what_is_gained_and_lost_is_logged_once(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "log", structlog.get_logger())
    one, two = LinkState(owned={"192.0.2.1": ("eth0",)}), LinkState(owned={"192.0.2.2": ("eth0",)})
    assert logged(report, one, one, two) == [
        "192.0.2.1 address_owned",
        "192.0.2.2 address_owned",
        "192.0.2.1 address_released",
    ]


def test_sessions_that_come_go_and_are_taken_away_are_logged_once(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "log", structlog.get_logger())
    up, down = SessionState(peer="a", up=True), SessionState(peer="a", up=False, last_error="refused")
    states = [BgpState(sessions=(state,)) for state in (up, up, down, down)]
    assert logged(report, *states, BgpState(sessions=())) == [
        "bgp_session_up a",
        "bgp_session_down a",
        "bgp_session_removed a",
    ]


def test_an_address_that_falls_silent_and_is_announced_again_is_logged_once(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "log", structlog.get_logger())
    held = (ServiceKey("default", "web"), parse_address("192.0.2.1"))
    one, other = (Omission(reason, "because") for reason in (OmissionReason.NO_PEER, OmissionReason.POOL_UNKNOWN))
    with structlog.testing.capture_logs() as lines:
        for silent in ({held: one}, {held: one}, {held: other}, {}, {}):
            report.silent_now(silent)
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("address_omitted", "NoPeer"),
        ("address_omitted", "PoolUnknown"),
        ("address_omitted_no_more", None),
    ]


def test_very_many_silent_addresses_are_counted_instead_of_listed(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "log", structlog.get_logger())
    omission = Omission(OmissionReason.NO_PEER, "because")
    held = [(ServiceKey("default", f"web-{number}"), parse_address("192.0.2.1")) for number in range(1000)]
    with structlog.testing.capture_logs() as lines:
        report.silent_now(dict.fromkeys(held, omission))
    assert len(lines) == 21
    assert lines[-1]["event"] == "more_omissions_changed"
    assert lines[-1]["number"] == 980


def test_every_line_about_an_address_names_its_services_by_uid(report: Report) -> None:
    key, address = ServiceKey("ns", "web"), parse_address("192.0.2.1")
    report.holders = lambda found: [Service(key=key, uid="u-1")] if found == address else []
    omission = {(key, address): Omission(OmissionReason.NO_USABLE_ENDPOINT, "no pod is ready")}
    with structlog.testing.capture_logs() as lines:
        report.owned_now(LinkState(owned={"192.0.2.1": ("eth0",)}))
        report.owned_now(LinkState(owned={}))
        report.silent_now(omission)
        report.silent_now({})
    events = [line["event"] for line in lines]
    assert events == ["address_owned", "address_released", "address_omitted", "address_omitted_no_more"]
    assert [line.get("uids", [line.get("uid")]) for line in lines] == [["u-1"]] * 4
    assert lines[0]["services"] == ["ns/web"]


def test_silent_addresses_are_counted_by_reason_and_every_other_reason_is_zero(report: Report) -> None:
    key, address = ServiceKey("ns", "web"), parse_address("192.0.2.1")
    report.silent_now({(key, address): Omission(OmissionReason.NO_USABLE_ENDPOINT, "no pod is ready")})
    found = shown(report, "heraldlb_speaker_silent_addresses")
    assert len(found) == len(OmissionReason), "an alert takes the least over all speakers, so nobody may say nothing"
    assert [line for line in found if not line.endswith(" 0.0")] == [
        'heraldlb_speaker_silent_addresses{reason="NoUsableEndpoint"} 1.0'
    ]

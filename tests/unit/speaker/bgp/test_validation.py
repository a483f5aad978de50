"""Generated configurations, read by the real `exabgp validate`."""

import asyncio
import ipaddress
import sys
from pathlib import Path

from lb_controller.model.address import Family
from speaker.bgp import bridge, validation
from speaker.bgp.sessions import Session
from speaker.bgp.validation import Verdict, validated, without_passwords
from tests.unit.speaker.bgp.samples import V4, V6, session

BRIDGE = [sys.executable, "-I", "-S", str(Path(bridge.__file__)), "/run/heraldlb/bridge.sock"]


def ask(sessions: list[Session], folder: Path) -> Verdict:
    return asyncio.run(validated(sessions, BRIDGE, folder))


def test_the_real_daemon_accepts_every_kind_of_session(tmp_path: Path) -> None:
    both = {Family.IPV4: V4, Family.IPV6: V6}
    sessions = [
        session("plain", "192.0.2.1"),
        session("graceful", "192.0.2.2", graceful_restart=True, hold_time=9),
        session("secret", "192.0.2.3", password=bytes(range(1, 81)), port=1179),
        session("hops", "192.0.2.4", multi_hop=True, peer_asn=4294967295, hold_time=0),
        session("inside", "192.0.2.5", peer_asn=64512),
        session("learnt", "192.0.2.6", peer_asn=None),
        session("dual", "192.0.2.7", next_hops=both),
        session("six", "2001:db8::1", next_hops=dict.fromkeys(Family, V6)),
        session("link", "fe80::1", local_address=ipaddress.ip_address("fe80::2"), interface="eth0.100"),
        session("-odd_name. %$", "192.0.2.8"),
    ]
    assert ask(sessions, tmp_path) == Verdict(tuple(sessions), {})
    assert list(tmp_path.iterdir()) == [], "a file was left behind"


def test_a_session_that_the_daemon_refuses_is_found_and_the_others_stay(tmp_path: Path) -> None:
    bad = session("bad", "192.0.2.2", hold_time=70000, password=b"s3cret")
    good = [session("one", "192.0.2.1"), session("three", "192.0.2.3")]
    verdict = ask([good[0], bad, good[1]], tmp_path)
    assert verdict.accepted == tuple(good)
    assert list(verdict.refused) == ["bad"]
    assert "holdtime must be smaller or equal to 65535" in verdict.refused["bad"]
    assert "s3cret" not in verdict.refused["bad"]


def test_no_session_needs_no_daemon(tmp_path: Path) -> None:
    assert ask([], tmp_path / "nowhere") == Verdict((), {})


def test_passwords_are_blotted_out_of_the_daemon_s_words() -> None:
    secret = session(password=b"s3cret")
    assert without_passwords("line 7: md5-password czNjcmV0; s3cret", [secret]) == "line 7: md5-password ***; ***"


def test_the_daemon_s_environment_holds_nothing_of_ours() -> None:
    environment = validation.environment()
    assert not [name for name in environment if name.startswith(("HERALDLB", "KUBE"))]
    assert environment["exabgp_tcp_bind"] == ""

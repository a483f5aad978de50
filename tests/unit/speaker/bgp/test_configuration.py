"""The generated text; the real daemon reads all of it in test_validation."""

import pytest

from lb_controller.model.address import Family
from speaker.bgp.configuration import configuration
from tests.unit.speaker.bgp.samples import V6, session

BRIDGE = ["/usr/bin/python3", "-I", "-S", "/opt/bridge.py", "/run/heraldlb/bridge.sock"]


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()}


def test_the_bridge_is_quoted_word_by_word_and_never_respawned() -> None:
    text = configuration([], BRIDGE)
    assert "run '/usr/bin/python3' '-I' '-S' '/opt/bridge.py' '/run/heraldlb/bridge.sock';" in lines(text)
    assert "respawn false;" in lines(text)


@pytest.mark.parametrize("word", ["it's", 'a"b', "a\\b", "a\nb", ""])
def test_a_word_that_cannot_be_quoted_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        configuration([], ["/usr/bin/python3", word])


def test_a_plain_session_keeps_its_routes_over_a_flap_and_none_of_the_peer_s() -> None:
    found = lines(configuration([session()], BRIDGE))
    assert {"adj-rib-out true;", "adj-rib-in false;", "family { ipv4 unicast; }", "connect 179;"} <= found
    assert not any("manual-eor" in line or "md5" in line or "ttl" in line for line in found)


def test_graceful_restart_always_comes_with_our_own_end_of_rib() -> None:
    found = lines(configuration([session(graceful_restart=True)], BRIDGE))
    assert "manual-eor true;" in found
    assert "capability { route-refresh enable; graceful-restart 120; }" in found


def test_a_password_stands_in_the_file_only_as_base64() -> None:
    text = configuration([session(password=b'a"; passive true; #')], BRIDGE)
    assert "passive" not in text
    assert {"md5-password YSI7IHBhc3NpdmUgdHJ1ZTsgIw==;", "md5-base64 true;"} <= lines(text)


def test_a_name_cannot_break_out_of_the_description() -> None:
    text = configuration([session(name='x"; } neighbor 1.1.1.1 {')], BRIDGE)
    assert "description x_____neighbor_1.1.1.1__;" in lines(text)


def test_a_multihop_session_sends_with_the_largest_ttl() -> None:
    assert "outgoing-ttl 255;" in lines(configuration([session(multi_hop=True)], BRIDGE))


def test_ipv4_routes_with_an_ipv6_next_hop_need_the_capability() -> None:
    six = session(address="2001:db8::1", next_hops=dict.fromkeys(Family, V6))
    found = lines(configuration([six], BRIDGE))
    assert "nexthop { ipv4 unicast ipv6; }" in found
    assert "capability { route-refresh enable; nexthop enable; }" in found
    assert "family { ipv4 unicast; ipv6 unicast; }" in found


def test_a_learnt_asn_is_auto() -> None:
    assert "peer-as auto;" in lines(configuration([session(peer_asn=None)], BRIDGE))


def test_ttl_security_sends_and_takes_only_the_largest_ttl() -> None:
    assert {"outgoing-ttl 255;", "incoming-ttl 255;"} <= lines(configuration([session(gtsm=True)], BRIDGE))


def test_a_session_in_a_vrf_or_over_a_link_is_bound_to_the_device() -> None:
    assert "source-interface red;" in lines(configuration([session(interface="red")], BRIDGE))


def test_times_that_exabgp_cannot_say_stand_in_the_description() -> None:
    text = configuration([session(keepalive_time=3, connect_time=30)], BRIDGE)
    assert "description tor/keepalive=3/connect=30;" in lines(text)

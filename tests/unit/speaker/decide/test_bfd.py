from lb_controller.model.config import BFDProfile
from speaker.decide.bfd import bfd_session, refused
from speaker.ipc.messages import BfdSession

WHOLE = BFDProfile(
    name="whole",
    detect_multiplier=5,
    receive_interval_ms=100,
    transmit_interval_ms=150,
    passive_mode=True,
    minimum_ttl=250,
)


def test_an_empty_profile_has_the_defaults() -> None:
    found = bfd_session(BFDProfile(name="empty"), name="tor", peer="192.0.2.1")
    assert found == BfdSession(name="tor", peer="192.0.2.1")
    assert (found.transmit_interval, found.receive_interval, found.detect_multiplier) == (300, 300, 3)
    assert (found.minimum_ttl, found.passive) == (254, False)


def test_every_field_of_the_profile_is_used() -> None:
    found = bfd_session(WHOLE, name="tor", peer="192.0.2.1", local="192.0.2.9", multi_hop=True)
    assert found == BfdSession(
        name="tor",
        peer="192.0.2.1",
        local="192.0.2.9",
        multi_hop=True,
        minimum_ttl=250,
        transmit_interval=150,
        receive_interval=100,
        detect_multiplier=5,
        passive=True,
    )


def test_only_a_session_on_one_link_is_bound_to_the_interface() -> None:
    assert bfd_session(WHOLE, name="tor", peer="fe80::1", interface="eth0").interface == "eth0"
    assert bfd_session(WHOLE, name="tor", peer="fd00::1", interface="eth0", multi_hop=True).interface == ""


def test_echo_mode_is_refused_with_a_sentence() -> None:
    assert refused(WHOLE) == ()
    [sentence] = refused(BFDProfile(name="fast", echo_mode=True, echo_interval_ms=50))
    assert "BFDProfile fast asks for echoMode, which HeraldLB does not have" in sentence

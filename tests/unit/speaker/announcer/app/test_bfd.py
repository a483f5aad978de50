"""What the supervisor may want, and what is refused with a sentence."""

from ipaddress import ip_address
from typing import Any

import pytest

from speaker.announcer.app.bfd import wanted_of
from speaker.announcer.bfd.authentication import Authentication, AuthType, Key
from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.bfd.timers import Parameters
from speaker.announcer.net.bfd.values import Wanted
from speaker.ipc.messages import BFD_AUTHENTICATION, BfdAuthentication, BfdKey, BfdSession

KEY = BfdKey(id=1, secret=b"secret")


def wanted(**fields: Any) -> tuple[Path, Wanted]:
    return wanted_of(BfdSession(**{"name": "x", "peer": "192.0.2.1", **fields}))


def test_the_defaults_are_those_of_metallb() -> None:
    path, how = wanted()
    assert path == Path(ip_address("192.0.2.1"))
    assert how == Wanted(Parameters(desired_min_tx=300_000, required_min_rx=300_000, detect_mult=3))


def test_every_field_is_used() -> None:
    path, how = wanted(
        peer="2001:db8::1",
        local="2001:db8::2",
        multi_hop=True,
        minimum_ttl=250,
        transmit_interval=100,
        receive_interval=200,
        detect_multiplier=7,
        passive=True,
        authentication=BfdAuthentication(kind="KeyedMD5", keys=(KEY,)),
    )
    assert path == Path(ip_address("2001:db8::1"), multi_hop=True)
    assert (how.local, how.minimum_ttl) == (ip_address("2001:db8::2"), 250)
    assert how.parameters == Parameters(
        desired_min_tx=100_000,
        required_min_rx=200_000,
        detect_mult=7,
        passive=True,
        authentication=Authentication(AuthType.KEYED_MD5, (Key(1, b"secret"),)),
    )


def test_on_a_single_hop_the_ttl_is_255_whatever_is_said() -> None:
    assert wanted(minimum_ttl=1)[1].minimum_ttl == 255


def test_the_zone_of_an_address_is_its_interface() -> None:
    expected = Path(ip_address("fe80::1"), "eth0")
    assert wanted(peer="fe80::1%eth0")[0] == wanted(peer="fe80::1", interface="eth0")[0] == expected


@pytest.mark.parametrize(("index", "word"), list(enumerate(BFD_AUTHENTICATION, start=1)))
def test_every_kind_of_authentication_has_its_number(index: int, word: str) -> None:
    authentication = wanted(authentication=BfdAuthentication(kind=word, keys=(KEY,)))[1].parameters.authentication
    assert authentication is not None
    assert authentication.type == index
    assert authentication.type.name.replace("_", "") == word.upper()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"peer": "router"}, "'router' does not appear to be an IPv4 or IPv6 address"),
        ({"local": "fd00::1"}, "fd00::1 and 192.0.2.1 are of different families"),
        ({"peer": "fe80::1"}, "the link-local peer fe80::1 needs an interface"),
        ({"multi_hop": True, "interface": "eth0"}, "a session over multiple hops is bound to no interface"),
        ({"multi_hop": True, "minimum_ttl": 0}, "the minimum TTL 0 is not between 1 and 255"),
        ({"detect_multiplier": 0}, "the BFD detect multiplier 0 is not between 1 and 255"),
        ({"transmit_interval": 0}, "a BFD interval of 0 microseconds is not between"),
        ({"authentication": BfdAuthentication(kind="md4", keys=(KEY,))}, "'md4' is no kind of BFD authentication"),
        ({"authentication": BfdAuthentication(kind="KeyedMD5", keys=())}, "BFD authentication needs a key"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wanted(**fields)


def test_no_secret_is_shown() -> None:
    session = BfdSession(name="x", peer="192.0.2.1", authentication=BfdAuthentication(kind="KeyedMD5", keys=(KEY,)))
    assert "secret" not in repr(session)

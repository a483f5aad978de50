"""The codec's vectors, both ways: whole, cut at every length, with trailing bytes, with each byte changed."""

import hmac
import struct
from hashlib import sha256

import pytest

from lb_controller.model.address import parse_address
from speaker.announcer.ownership import codec
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.malformed import Drop, MalformedPacket
from speaker.announcer.ownership.messages import (
    LAST_KEY,
    Alive,
    Bequest,
    Betters,
    Body,
    Claim,
    Claims,
    Flag,
    Header,
    Hello,
    Message,
    Owner,
    Releases,
    Suspect,
    Why,
    Yields,
    address_of,
    key_of,
    node_id,
)

SECRET = b"a secret of the cluster"
KEYRING = Keyring({7: SECRET}, 7, cluster="c1", link="eth0")
V4, V6 = key_of(parse_address("192.0.2.1")), key_of(parse_address("2001:db8::1"))
HEADER = Header(
    sender=0x1122334455667788,
    boot=0xA1A2A3A4A5A6A7A8,
    seq=5,
    lamport=0x0102030405,
    flags=Flag.STARTING | Flag.WANT,
    echo_boot=0xB1,
    echo_seq=9,
)
HEADER_BYTES = "1122334455667788a1a2a3a4a5a6a7a80000000000000005000000010203040500000000000000b10000000000000009"
V4_BYTES, V6_BYTES = "00000000000000000000ffffc0000201", "20010db8000000000000000000000001"
VECTORS: list[tuple[int, Body, str]] = [
    (1, Hello(3, 0xD1), "0000000300000000000000d1"),
    (2, Suspect(0xE1, 0xE2), "00000000000000e100000000000000e2"),
    (3, Alive(0xE1, 0xE2), "00000000000000e100000000000000e2"),
    (
        4,
        Claims(((V4, Claim(1, 0x010203040506)), (V6, Claim(0, 2)))),
        "ff" * 16 + "00" * 16 + V4_BYTES + "0100010203040506" + V6_BYTES + "0000000000000002",
    ),
    (4, Claims((), low=V4, high=LAST_KEY), V4_BYTES + "ff" * 16),
    (
        5,
        Releases(((V4, Why.CONCEDED), (V6, Why.WITHDRAWN))),
        V4_BYTES + "0000000000000000" + V6_BYTES + "0100000000000000",
    ),
    (
        6,
        Betters(((V4, Owner(0xF1, Claim(1, 8), vouched=True)),)),
        V4_BYTES + "00000000000000f1" + "0101000000000008",
    ),
    (7, Yields(((V6, Bequest(Claim(1, 8), 0xF2)),)), V6_BYTES + "0100000000000008" + "00000000000000f2"),
]
IDS = [f"{type(body).__name__.lower()}-{index}" for index, (_, body, _) in enumerate(VECTORS)]


def signed(kind: int, body: str, *, magic: str = "484c", version: int = 1, flags: int = 0x11, key_id: int = 7) -> bytes:
    """A datagram put together by hand."""
    length = 56 + len(body) // 2 + 16
    content = bytes.fromhex(f"{magic}{version:02x}{kind:02x}{flags:02x}{key_id:02x}{length:04x}{HEADER_BYTES}{body}")
    scope = b"\0\2c1" + b"\0\4eth0"
    return content + hmac.new(SECRET, scope + content, sha256).digest()[:16]


def refusal(datagram: bytes, keyring: Keyring = KEYRING) -> Drop:
    with pytest.raises(MalformedPacket) as caught:
        decode(datagram, keyring)
    return caught.value.reason


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_a_value_becomes_these_bytes(kind: int, body: Body, wire: str) -> None:
    assert encode(Message(HEADER, body), KEYRING).hex() == signed(kind, wire).hex()


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_these_bytes_become_the_value(kind: int, body: Body, wire: str) -> None:
    assert decode(signed(kind, wire), KEYRING) == Message(HEADER, body)


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_a_datagram_cut_at_any_length_is_refused(kind: int, body: Body, wire: str) -> None:
    whole = signed(kind, wire)
    assert {refusal(whole[:length]) for length in range(len(whole))} == {Drop.LENGTH}


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_a_body_cut_at_any_length_is_refused_even_when_signed(kind: int, body: Body, wire: str) -> None:
    rows = {4: 24, 5: 24, 6: 32, 7: 32}
    for length in range(0, len(wire), 2):
        start = 64 if kind == 4 else 0
        if kind in rows and length > start and (length - start) % (rows[kind] * 2) == 0:
            continue  # a whole number of entries is a message of its own
        assert refusal(signed(kind, wire[:length])) is Drop.BAD_BODY, length


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_trailing_bytes_are_refused_signed_or_not(kind: int, body: Body, wire: str) -> None:
    assert refusal(signed(kind, wire) + b"\0") is Drop.LENGTH
    assert refusal(signed(kind, wire + "00")) is Drop.BAD_BODY


@pytest.mark.parametrize(("kind", "body", "wire"), VECTORS, ids=IDS)
def test_a_change_of_any_byte_is_noticed(kind: int, body: Body, wire: str) -> None:
    whole = signed(kind, wire)
    for index in range(len(whole)):
        refusal(whole[:index] + bytes([whole[index] ^ 0x40]) + whole[index + 1 :])


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (signed(1, VECTORS[0][2], magic="4849"), Drop.NOT_OURS),
        (signed(1, VECTORS[0][2], version=2), Drop.VERSION),
        (signed(1, VECTORS[0][2], key_id=8), Drop.UNKNOWN_KEY),
        (signed(1, VECTORS[0][2])[:-1] + b"\0", Drop.BAD_MAC),
        (signed(8, VECTORS[0][2]), Drop.UNKNOWN_TYPE),
        (signed(0, ""), Drop.UNKNOWN_TYPE),
        (signed(1, VECTORS[0][2], flags=0x40), Drop.BAD_BODY),
        (signed(4, V6_BYTES + "ff" * 16 + V4_BYTES + "0100000000000001"), Drop.BAD_BODY),  # outside what is complete
        (signed(4, "ff" * 16 + "00" * 16), Drop.BAD_BODY),  # nothing new
        (signed(4, "ff" * 16 + "00" * 16 + V4_BYTES + "0200000000000001"), Drop.BAD_BODY),  # no such strength
        (signed(4, "ff" * 16 + "00" * 16 + V4_BYTES + "0101000000000001"), Drop.BAD_BODY),  # a reserved byte
        (signed(5, V4_BYTES + "0200000000000000"), Drop.BAD_BODY),  # no such reason
        (signed(6, V4_BYTES + "00000000000000f1" + "0102000000000008"), Drop.BAD_BODY),  # vouched twice
    ],
)
def test_what_is_wrong_is_refused_with_its_reason(datagram: bytes, reason: Drop) -> None:
    assert refusal(datagram) is reason


@pytest.mark.parametrize(
    "keyring",
    [
        Keyring({7: b"another"}, 7, cluster="c1", link="eth0"),
        Keyring({7: SECRET}, 7, cluster="c2", link="eth0"),
        Keyring({7: SECRET}, 7, cluster="c1", link="eth1"),
        Keyring({7: SECRET}, 7, cluster="c1et", link="h0"),
    ],
)
def test_a_datagram_proves_nothing_under_another_key_cluster_or_link(keyring: Keyring) -> None:
    assert refusal(signed(1, VECTORS[0][2]), keyring) is Drop.BAD_MAC


def test_a_key_is_changed_without_a_pause() -> None:
    old = Keyring({1: b"old"}, 1, cluster="c", link="l")
    both = Keyring({1: b"old", 2: b"new"}, 1, cluster="c", link="l")
    switched = Keyring({1: b"old", 2: b"new"}, 2, cluster="c", link="l")
    new = Keyring({2: b"new"}, 2, cluster="c", link="l")
    message = Message(HEADER, Hello(0, 0))
    for earlier, later in ((old, both), (both, switched), (switched, new)):
        assert decode(encode(message, earlier), later) == message
        assert decode(encode(message, later), earlier) == message
    assert refusal(encode(message, new), old) is Drop.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("keys", "current"), [({}, 1), ({1: b"k"}, 2), ({1: b""}, 1), ({1: b"a", 2: b"b", 3: b"c"}, 1)]
)
def test_a_keyring_that_cannot_work_is_refused(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys, current, cluster="c", link="l")


def test_a_datagram_holds_as_many_entries_as_promised_and_not_one_more() -> None:
    assert (codec.CLAIMS_AT_MOST, codec.RELEASES_AT_MOST, codec.BETTERS_AT_MOST, codec.YIELDS_AT_MOST) == (
        54,
        55,
        41,
        41,
    )
    keys = [V4[:12] + struct.pack("!I", number) for number in range(60)]
    entries = tuple((key, Claim(1, 1)) for key in keys)
    assert len(encode(Message(HEADER, Claims(entries[:54])), KEYRING)) <= codec.LARGEST
    with pytest.raises(ValueError, match="1400"):
        encode(Message(HEADER, Claims(entries[:55])), KEYRING)


@pytest.mark.parametrize("text", ["192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "ff02::1"])
def test_a_key_is_its_address(text: str) -> None:
    assert str(address_of(key_of(parse_address(text)))) == text


def test_a_node_is_the_first_eight_bytes_of_its_names_hash() -> None:
    assert node_id("n1") == int.from_bytes(sha256(b"n1").digest()[:8], "big")

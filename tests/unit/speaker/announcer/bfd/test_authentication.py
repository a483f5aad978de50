"""Authentication: what is sealed is authentic, what was touched is not."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker.announcer.bfd.authentication import Authentication, AuthType, Key, check, in_window, seal
from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.packet import Control, Section, State, encode, parse

CONTROL = Control(State.UP, 3, 0x11223344, 0x55667788, 200_000, 300_000)
KEYED = [kind for kind in AuthType if kind is not AuthType.SIMPLE_PASSWORD]


def with_key(kind: AuthType, secret: bytes = b"s3cret", number: int = 7) -> Authentication:
    return Authentication(kind, (Key(number, secret),))


def reason(payload: bytes, authentication: Authentication | None) -> Drop:
    with pytest.raises(MalformedPacket) as caught:
        check(payload, parse(payload).section, authentication)
    return caught.value.reason


@pytest.mark.parametrize("kind", AuthType)
def test_a_sealed_packet_is_authentic_and_carries_its_number(kind: AuthType) -> None:
    payload = seal(CONTROL, with_key(kind), 0xFFFFFFFE)
    expected = None if kind is AuthType.SIMPLE_PASSWORD else 0xFFFFFFFE
    assert check(payload, parse(payload).section, with_key(kind)) == expected
    assert replace(parse(payload), section=None) == CONTROL


@pytest.mark.parametrize("kind", AuthType)
def test_bytes_behind_the_packet_are_not_part_of_the_digest(kind: AuthType) -> None:
    payload = seal(CONTROL, with_key(kind), 5) + b"padding"
    check(payload, parse(payload).section, with_key(kind))


@pytest.mark.parametrize("kind", KEYED)
def test_a_change_of_any_bit_is_noticed(kind: AuthType) -> None:
    whole = seal(CONTROL, with_key(kind), 5)
    for index in range(8 * len(whole)):
        touched = bytearray(whole)
        touched[index // 8] ^= 1 << index % 8
        with pytest.raises(MalformedPacket):
            check(bytes(touched), parse(bytes(touched)).section, with_key(kind))


@pytest.mark.parametrize("kind", KEYED)
def test_the_digest_is_that_of_the_packet_with_the_padded_key(kind: AuthType) -> None:
    hashing, size = (hashlib.sha1, 20) if "SHA1" in kind.name else (hashlib.md5, 16)
    head = bytes.fromhex("20c403") + bytes((24 + 8 + size,)) + encode(CONTROL)[4:]
    section = bytes((kind, size + 8, 7, 0)) + (99).to_bytes(4, "big")
    digest = hashing(head + section + b"s3cret".ljust(size, b"\0")).digest()
    assert seal(CONTROL, with_key(kind), 99) == head + section + digest


@pytest.mark.parametrize("kind", AuthType)
def test_the_secret_is_in_the_packet_of_a_simple_password_only(kind: AuthType) -> None:
    assert (b"s3cret" in seal(CONTROL, with_key(kind), 5)) == (kind is AuthType.SIMPLE_PASSWORD)


@pytest.mark.parametrize("kind", AuthType)
def test_another_secret_key_or_type_is_refused(kind: AuthType) -> None:
    payload = seal(CONTROL, with_key(kind), 5)
    assert reason(payload, with_key(kind, b"other!")) == Drop.BAD_DIGEST
    assert reason(payload, with_key(kind, number=8)) == Drop.UNKNOWN_KEY
    assert reason(payload, with_key(AuthType(kind % 5 + 1))) == Drop.WRONG_AUTHENTICATION_TYPE
    assert reason(payload, None) == Drop.UNEXPECTED_AUTHENTICATION
    assert reason(encode(CONTROL), with_key(kind)) == Drop.MISSING_AUTHENTICATION


@pytest.mark.parametrize("kind", KEYED)
def test_a_digest_of_another_length_is_refused(kind: AuthType) -> None:
    for length in (0, 15, 17, 19, 21):
        section = Section(kind, bytes.fromhex("0700 00000005") + bytes(length))
        assert reason(encode(replace(CONTROL, section=section)), with_key(kind)) == Drop.BAD_AUTHENTICATION_LENGTH
    assert reason(encode(replace(CONTROL, section=Section(kind, b""))), with_key(kind)) == Drop.UNKNOWN_KEY


def test_two_keys_are_accepted_while_one_replaces_the_other() -> None:
    old, new = Key(1, b"old"), Key(2, b"new")
    both = Authentication(AuthType.METICULOUS_KEYED_SHA1, (new, old))
    for key in (old, new):
        payload = seal(CONTROL, Authentication(both.type, (key,)), 3)
        assert check(payload, parse(payload).section, both) == 3
    assert check(seal(CONTROL, both, 4), parse(seal(CONTROL, both, 4)).section, Authentication(both.type, (new,))) == 4


@pytest.mark.parametrize(
    ("kind", "keys", "says"),
    [
        (AuthType.KEYED_SHA1, (), "needs a key"),
        (AuthType.KEYED_SHA1, (Key(256, b"x"),), "256 is not between 0 and 255"),
        (AuthType.KEYED_SHA1, (Key(1, b""),), "has 0 bytes"),
        (AuthType.KEYED_SHA1, (Key(1, b"x" * 21),), "not 1 to 20"),
        (AuthType.KEYED_MD5, (Key(1, b"x" * 17),), "not 1 to 16"),
        (AuthType.SIMPLE_PASSWORD, (Key(1, b"x" * 17),), "not 1 to 16"),
    ],
)
def test_a_key_that_no_packet_can_carry_is_refused(kind: AuthType, keys: tuple[Key, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Authentication(kind, keys)


def test_no_secret_is_shown() -> None:
    assert "s3cret" not in repr(with_key(AuthType.KEYED_SHA1))


@given(st.integers(0, 0xFFFFFFFF), st.integers(1, 255), st.sampled_from(KEYED), st.integers(-1000, 1000))
def test_the_window_is_three_multipliers_wide_and_goes_round_the_circle(
    last: int, mult: int, kind: AuthType, ahead: int
) -> None:
    first = 1 if kind.meticulous else 0
    assert in_window((last + ahead) % 2**32, last, kind, mult) == (first <= ahead <= 3 * mult)


@given(st.binary(max_size=60), st.sampled_from(AuthType))
def test_no_section_is_more_than_refused(body: bytes, kind: AuthType) -> None:
    payload = encode(replace(CONTROL, section=Section(kind, body)))
    with pytest.raises(MalformedPacket):
        check(payload, parse(payload).section, with_key(kind, b"not to be guessed"[:16]))

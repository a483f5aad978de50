"""Any value comes back as it was sent, and no bytes whatever raise anything but MalformedPacket."""

import contextlib
import struct

from hypothesis import example, given
from hypothesis import strategies as st

from speaker.announcer.ownership import codec
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.malformed import MalformedPacket
from speaker.announcer.ownership.messages import (
    FIRST_KEY,
    LAST_KEY,
    Alive,
    Bequest,
    Betters,
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
)

KEYRING = Keyring({0: b"key"}, 0, cluster="c", link="l")
u64 = st.integers(0, 2**64 - 1)
u48 = st.integers(0, 2**48 - 1)
keys = st.binary(min_size=16, max_size=16)
claims = st.builds(Claim, st.integers(0, 1), u48)
headers = st.builds(Header, u64, st.integers(1, 2**64 - 1), u64, u48, st.integers(0, Flag.ALL), u64, u64)


def rows(values: st.SearchStrategy[object], most: int, least: int = 1) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.tuples(keys, values), min_size=least, max_size=most).map(tuple)


bodies = st.one_of(
    st.builds(Hello, st.integers(0, 2**32 - 1), u64),
    st.builds(Suspect, u64, u64),
    st.builds(Alive, u64, u64),
    st.builds(Claims, rows(claims, codec.CLAIMS_AT_MOST)),
    st.builds(Claims, rows(claims, codec.CLAIMS_AT_MOST, 0), st.just(FIRST_KEY), st.just(LAST_KEY)),
    st.builds(Releases, rows(st.sampled_from(Why), codec.RELEASES_AT_MOST)),
    st.builds(Betters, rows(st.builds(Owner, u64, claims, st.booleans()), codec.BETTERS_AT_MOST)),
    st.builds(Yields, rows(st.builds(Bequest, claims, u64), codec.YIELDS_AT_MOST)),
)


@given(headers, bodies)
def test_a_message_comes_back_as_it_was_sent(header: Header, body: codec.Body) -> None:
    message = Message(header, body)
    assert decode(encode(message, KEYRING), KEYRING) == message


@given(st.binary(max_size=1500))
@example(b"HL")
def test_no_bytes_raise_anything_else(datagram: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        decode(datagram, KEYRING)


@given(headers, st.integers(0, 9), st.binary(max_size=1328))
def test_no_signed_body_raises_anything_else_and_one_value_has_one_encoding(
    header: Header, kind: int, body: bytes
) -> None:
    numbers = (header.sender, header.boot, header.seq, header.lamport, header.echo_boot, header.echo_seq)
    length = 56 + len(body) + 16
    content = struct.pack("!2sBBBBHQQQQQQ", b"HL", 1, kind, header.flags, 0, length, *numbers) + body
    datagram = content + KEYRING.mac(0, content)
    with contextlib.suppress(MalformedPacket):
        assert encode(decode(datagram, KEYRING), KEYRING) == datagram

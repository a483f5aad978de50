"""Control packets: bytes and values, both ways; scapy is the oracle."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD, OptionalAuth

from speaker.announcer.bfd.malformed import Drop, MalformedPacket
from speaker.announcer.bfd.packet import Control, Diagnostic, Section, State, encode, parse

DOWN = Control(State.DOWN, 3, 0x11223344, 0, 1_000_000, 300_000)
UP = Control(
    State.UP,
    255,
    0xFFFFFFFF,
    0x80000001,
    200_000,
    100_000,
    50_000,
    diagnostic=Diagnostic.NEIGHBOR_SIGNALED_DOWN,
    control_plane_independent=True,
)
VECTORS = [
    (DOWN, "20400318 11223344 00000000 000f4240 000493e0 00000000"),
    (UP, "23c8ff18 ffffffff 80000001 00030d40 000186a0 0000c350"),
    (replace(UP, poll=True), "23e8ff18 ffffffff 80000001 00030d40 000186a0 0000c350"),
    (replace(UP, final=True), "23d8ff18 ffffffff 80000001 00030d40 000186a0 0000c350"),
    (replace(UP, demand=True, diagnostic=31), "3fcaff18 ffffffff 80000001 00030d40 000186a0 0000c350"),
    (
        replace(DOWN, state=State.ADMIN_DOWN, diagnostic=Diagnostic.ADMINISTRATIVELY_DOWN),
        "27000318 11223344 00000000 000f4240 000493e0 00000000",
    ),
    (
        replace(DOWN, section=Section(1, b"\x07secret")),
        "20440321 11223344 00000000 000f4240 000493e0 00000000 0109 07 736563726574",
    ),
    (
        replace(DOWN, section=Section(5, bytes.fromhex("0100 00000009") + bytes(range(20)))),
        "20440334 11223344 00000000 000f4240 000493e0 00000000 051c 0100 00000009 "
        "000102030405060708090a0b0c0d0e0f10111213",
    ),
    (
        replace(DOWN, section=Section(2, bytes.fromhex("ff00 ffffffff") + b"\xaa" * 16)),
        "20440330 11223344 00000000 000f4240 000493e0 00000000 0218 ff00 ffffffff aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ),
    (replace(DOWN, section=Section(0, b"")), "2044031a 11223344 00000000 000f4240 000493e0 00000000 0002"),
]
words = st.integers(0, 0xFFFFFFFF)
controls = st.builds(
    Control,
    state=st.sampled_from(State),
    detect_mult=st.integers(1, 255),
    my_discriminator=st.integers(1, 0xFFFFFFFF),
    your_discriminator=st.integers(1, 0xFFFFFFFF),
    desired_min_tx=words,
    required_min_rx=words,
    required_min_echo_rx=words,
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    control_plane_independent=st.booleans(),
    demand=st.booleans(),
    section=st.none() | st.builds(Section, st.integers(0, 255), st.binary(max_size=200)),
)


def reason(payload: bytes) -> Drop:
    with pytest.raises(MalformedPacket) as caught:
        parse(payload)
    return caught.value.reason


@pytest.mark.parametrize(("control", "text"), VECTORS)
def test_a_value_and_its_bytes_are_the_same(control: Control, text: str) -> None:
    assert encode(control).hex() == text.replace(" ", "")
    assert parse(bytes.fromhex(text)) == control


@pytest.mark.parametrize(("control", "text"), VECTORS)
def test_bytes_behind_the_length_are_ignored(control: Control, text: str) -> None:
    assert parse(bytes.fromhex(text) + b"\xff" * 7) == control


@pytest.mark.parametrize(("control", "text"), VECTORS)
def test_a_packet_cut_anywhere_is_refused(control: Control, text: str) -> None:
    payload = bytes.fromhex(text)
    for length in range(len(payload)):
        assert reason(payload[:length]) == (Drop.TRUNCATED if length < 24 else Drop.LENGTH_BEYOND_PAYLOAD)


def test_the_length_is_checked_before_what_it_covers() -> None:
    payload = bytearray(encode(replace(DOWN, section=Section(1, b"\x07secret"))))
    for length, expected in ((0, Drop.BAD_LENGTH), (25, Drop.BAD_LENGTH), (26, Drop.BAD_AUTHENTICATION_LENGTH)):
        payload[3] = length
        assert reason(bytes(payload)) == expected
    payload[3], payload[25] = 33, 8
    assert reason(bytes(payload)) == Drop.BAD_AUTHENTICATION_LENGTH


@given(controls)
def test_every_packet_comes_back_as_it_was_written(control: Control) -> None:
    assert parse(encode(control)) == control


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: b"\x20\xc4\x03\x20" + tail))
def test_any_bytes_are_a_packet_or_refused(payload: bytes) -> None:
    try:
        control = parse(payload)
    except MalformedPacket:
        return
    written = encode(control)
    assert written == payload[: len(written)]


def flags(control: Control) -> str:
    chosen = (control.poll, control.final, control.control_plane_independent, control.section, control.demand)
    return "".join(letter for letter, there in zip("PFCAD", chosen, strict=True) if there)


@given(controls.filter(lambda control: control.section is None))
def test_scapy_reads_what_we_write_and_writes_what_we_read(control: Control) -> None:
    theirs = BFD(
        diag=control.diagnostic,
        sta=int(control.state),
        flags=flags(control),
        detect_mult=control.detect_mult,
        my_discriminator=control.my_discriminator,
        your_discriminator=control.your_discriminator,
        min_tx_interval=control.desired_min_tx,
        min_rx_interval=control.required_min_rx,
        echo_rx_interval=control.required_min_echo_rx,
    )
    assert encode(control) == bytes(theirs)
    assert BFD(encode(control)).fields["my_discriminator"] == control.my_discriminator


@pytest.mark.parametrize(("kind", "size"), [(2, 16), (3, 16), (4, 20), (5, 20)])
def test_scapy_writes_the_same_authentication_section(kind: int, size: int) -> None:
    digest = bytes(range(1, size + 1))
    section = OptionalAuth(
        auth_type=kind, auth_len=size + 8, auth_keyid=9, sequence_number=77, auth_key=int.from_bytes(digest, "big")
    )
    theirs = BFD(
        sta=1,
        flags="A",
        len=24 + 8 + size,
        my_discriminator=5,
        your_discriminator=0,
        min_tx_interval=1,
        min_rx_interval=2,
        echo_rx_interval=0,
        optional_auth=section,
    )
    ours = Control(State.DOWN, 3, 5, 0, 1, 2, section=Section(kind, bytes.fromhex("0900 0000004d") + digest))
    assert encode(ours) == bytes(theirs)

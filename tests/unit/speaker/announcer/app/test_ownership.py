"""Keys from a file, and the memory of what was held."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from speaker.announcer.app.ownership import Keys, keyring_of, load, save
from speaker.announcer.bfd.authentication import AuthType
from speaker.announcer.net.liveness import authentication_of
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.machine import Memory
from speaker.announcer.ownership.malformed import MalformedPacket
from speaker.announcer.ownership.messages import Header, Hello, Message

MESSAGE = Message(Header(1, 2, 3, 4), Hello(0, 0))


def test_the_first_key_of_the_file_is_used_and_both_are_accepted(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("1:first\n2:second\n")
    new.write_text("2:second\n\n1:first\n")
    before, after = keyring_of(old, "192.0.2.0/24"), keyring_of(new, "192.0.2.0/24")
    assert (before.current, after.current) == (1, 2)
    assert decode(encode(MESSAGE, before), after) == decode(encode(MESSAGE, after), before) == MESSAGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "secret",
        "1:",
        ":secret",
        "x:secret",
        "256:secret",
        "1:a\n2:b\n3:c",
        "1:a\n1:b",
        "public\n0:a",
        "pubic",
    ],
)
def test_a_file_without_sound_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"key|id"):
        keyring_of(path, "192.0.2.0/24")


def test_a_secret_is_brought_in_beside_the_key_of_those_who_have_no_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("public\n1:first\n")
    none, both = keyring_of(None, "192.0.2.0/24"), keyring_of(path, "192.0.2.0/24")
    path.write_text("1:first\npublic\n")
    turned = keyring_of(path, "192.0.2.0/24")
    assert (none.current, both.current, turned.current) == (0, 0, 1)
    assert decode(encode(MESSAGE, none), both) == decode(encode(MESSAGE, both), none) == MESSAGE
    assert decode(encode(MESSAGE, both), turned) == decode(encode(MESSAGE, turned), both) == MESSAGE


def test_a_key_file_that_is_spoilt_later_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(FileNotFoundError):
        Keys(path)("192.0.2.0/24")
    path.write_text("1:first")
    keys = Keys(path)
    first = keys("192.0.2.0/24")
    path.write_text("spoilt")
    assert keys("192.0.2.0/24") is first
    path.write_text("2:second\n1:first")
    assert keys("192.0.2.0/24").current == 2


def test_bfd_has_keys_of_its_own_made_from_those_of_the_members(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("2:second\n1:first")
    here, elsewhere = (authentication_of(keyring_of(path, link)) for link in ("192.0.2.0/24", "198.51.100.0/24"))
    assert here.type is AuthType.METICULOUS_KEYED_SHA1
    assert [key.id for key in here.keys] == [2, 1]
    assert here != elsewhere
    assert not {key.secret for key in here.keys} & {b"first", b"second"}


def test_another_link_is_another_scope_even_without_a_secret() -> None:
    with pytest.raises(MalformedPacket):
        decode(encode(MESSAGE, keyring_of(None, "192.0.2.0/24")), keyring_of(None, "198.51.100.0/24"))


def test_memory_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    memory = Memory(frozenset({ip_address("192.0.2.1"), ip_address("2001:db8::1")}), 17)
    path = tmp_path / "held.json"
    save(path, "n1", memory)
    assert load(path, "n1") == memory
    assert load(path, "n2") is None, "of another node"


@pytest.mark.parametrize("text", ["", "{}", '{"node":"n1","addresses":["x"],"lamport":1}', "[" * 2000])
def test_a_spoilt_memory_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "held.json"
    path.write_text(text)
    assert load(path, "n1") is None
    assert load(tmp_path / "absent", "n1") is None

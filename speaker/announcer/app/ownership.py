"""The announcer's part of the ownership protocol that is neither rule nor socket: keys, memory, what is told."""

import contextlib
import os
import secrets
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import msgspec

from lb_controller.runtime.logging import logger
from speaker.announcer.app.settings import AnnouncerSettings, Failback
from speaker.announcer.net.driver import Surroundings
from speaker.announcer.net.liveness import Profile
from speaker.announcer.ownership.events import Cleared, Conflict, Detected, Effect, NoHeir, Quarantined
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.machine import Identity, Machine, Memory
from speaker.announcer.ownership.timers import Timers

_PUBLIC, _NO_SECRET = "public", sha256(b"heraldlb").digest()
log = logger()


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a restarted announcer remembers of its claims: hints only, a living owner always wins."""

    node: str
    addresses: tuple[str, ...]
    lamport: int


def load(path: Path, node: str) -> Memory | None:
    """The memory in the file, None when there is none of this node."""
    try:
        held = msgspec.json.decode(path.read_bytes(), type=Held)
        addresses = frozenset(map(ip_address, held.addresses))
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    sound = held.node == node and 0 <= held.lamport < 2**48
    return Memory(addresses, held.lamport) if sound else None


def save(path: Path, node: str, memory: Memory) -> None:
    """Replace the file atomically; a full disk only costs the quick resumption."""
    fresh = path.with_suffix(".new")
    held = Held(node=node, addresses=tuple(sorted(map(str, memory.held))), lamport=memory.lamport)
    with contextlib.suppress(OSError):
        fresh.write_bytes(msgspec.json.encode(held))
        os.replace(fresh, path)  # noqa: PTH105 - the two names stand side by side


def machine_of(node: str, settings: AnnouncerSettings, now: float, memory: Memory | None) -> Machine:
    """The machine of this node, as it is set."""
    identity = Identity(node=node, failback=settings.failback is Failback.IMMEDIATE)
    timers = Timers.of(settings.liveness_interval / 1000, settings.liveness_multiplier)
    return Machine(identity, timers, lambda: secrets.randbits(64) | 1, now, memory)


def surroundings_of(settings: AnnouncerSettings) -> Surroundings:
    """Where and how the announcers meet, as it is set."""
    return Surroundings(
        port=settings.ownership_port,
        keyring=Keys(settings.ownership_key_file),
        interface=settings.ownership_interface,
        profile=Profile(settings.liveness_interval / 1000, settings.liveness_multiplier),
    )


class Keys:
    """The keyring of a link, read anew each time; a file that is spoilt while the process runs changes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last: tuple[str, Keyring] | None = None

    def __call__(self, link: str) -> Keyring:
        """Raises OSError or ValueError when there never was a sound file."""
        try:
            self._last = link, keyring_of(self._path, link)
        except (OSError, ValueError) as error:
            if self._last is None or self._last[0] != link:
                raise
            log.warning("key_file_not_read", error=str(error))
        return self._last[1]


def keyring_of(path: Path | None, link: str) -> Keyring:
    """The keys in the file. Raises ValueError with a sentence for a file that holds none.

    Without a file the key is no secret: it keeps strangers' datagrams apart, and nothing else. The line `public` in a
    file is that key (its id is 0), so that a secret can be brought in and taken away again without a pause.
    """
    keys: dict[int, bytes] = {}
    lines = [_PUBLIC] if path is None else path.read_text().splitlines()
    for line in filter(None, map(str.strip, lines)):
        try:
            number, secret = _key_of(line)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if number in keys:
            raise ValueError(f"{path}: two lines have the id {number} ({_PUBLIC} has 0)")
        keys[number] = secret
    if not keys:
        raise ValueError(f"{path} holds no key")
    return Keyring(keys, next(iter(keys)), cluster="", link=link)


def _key_of(line: str) -> tuple[int, bytes]:
    if line == _PUBLIC:
        return 0, _NO_SECRET
    number, _, secret = line.partition(":")
    if not (number.isdecimal() and secret):
        raise ValueError(f"a line is `id:secret`, with an id from 0 to 255, or `{_PUBLIC}`")
    return int(number), secret.encode()


def tell(effect: Effect) -> None:
    """Log what an operator should know."""
    match effect:
        case Quarantined(address, mac):
            log.error("address_quarantined", address=str(address), hardware=mac.hex(":"))
        case Cleared(address):
            log.info("address_cleared", address=str(address))
        case Conflict(address, mac):
            log.error("address_conflict", address=str(address), hardware=mac.hex(":"))
        case NoHeir(address):
            log.warning("no_heir", address=str(address))
        case Detected(peer, seconds):
            log.warning("node_found_dead", node=peer, seconds=round(seconds, 3))
        case _:
            pass

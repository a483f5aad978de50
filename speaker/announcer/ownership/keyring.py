"""Who may speak: keys of the cluster's Secret, by key id. Two at once let a key be changed without a pause.

A change goes: give everybody the new key beside the old one, then make it the current one, then take the old one away.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from speaker.announcer.ownership.malformed import Drop, MalformedPacket

MAC_LENGTH: Final = 16  # bytes: HMAC-SHA256 truncated to 128 bits (RFC 2104 section 5)


class Keyring:
    """The keys accepted (key id 0..255 -> secret), the one used to send, and what binds a MAC to cluster and link."""

    def __init__(self, keys: Mapping[int, bytes], current: int, *, cluster: str, link: str) -> None:
        if current not in keys:
            raise ValueError(f"there is no key {current}")
        if len(keys) > 2 or not all(0 <= key_id <= 255 for key_id in keys):
            raise ValueError("one or two keys, with ids from 0 to 255")
        if not all(keys.values()):
            raise ValueError("an empty key protects nothing")
        self.current = current
        self._keys = dict(keys)
        self._scope = b"".join(len(part).to_bytes(2, "big") + part for part in (cluster.encode(), link.encode()))

    def mac(self, key_id: int, content: bytes) -> bytes:
        """The MAC of a datagram's content under a key that exists."""
        return hmac.digest(self._keys[key_id], self._scope + content, "sha256")[:MAC_LENGTH]

    def derived(self, purpose: bytes, length: int) -> tuple[tuple[int, bytes], ...]:
        """Keys of `length` bytes (at most 32) for another protocol of the members: (id, key), the current first."""
        ids = sorted(self._keys, key=lambda key_id: key_id != self.current)
        return tuple((i, hmac.digest(self._keys[i], self._scope + purpose, "sha256")[:length]) for i in ids)

    def check(self, key_id: int, datagram: bytes) -> None:
        """Raises MalformedPacket unless the last bytes are the MAC of the rest."""
        if key_id not in self._keys:
            raise MalformedPacket(Drop.UNKNOWN_KEY)
        if not hmac.compare_digest(datagram[-MAC_LENGTH:], self.mac(key_id, datagram[:-MAC_LENGTH])):
            raise MalformedPacket(Drop.BAD_MAC)

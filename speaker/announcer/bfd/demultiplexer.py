"""Which session a packet belongs to (RFC 5880 6.3 and 6.8.6, RFC 5881 3, RFC 5883 4).

The first packets of a peer cannot name our discriminator: they are told by source address, by the interface that they
came in on where the session is bound to one, and by single or multiple hops. Once the peer knows our discriminator,
nothing else counts: its address and the way may change, and the session stays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lb_controller.model.address import Address
from speaker.announcer.bfd.malformed import Drop, MalformedPacket


@dataclass(frozen=True, slots=True)
class Path:
    """Where the peer is: its address; the interface towards it ("" is any); whether routers may stand between."""

    peer: Address
    interface: str = ""
    multi_hop: bool = False


S = TypeVar("S")


class Demultiplexer(Generic[S]):
    """The sessions of this system, by our discriminator and by path."""

    def __init__(self) -> None:
        self._by_discriminator: dict[int, S] = {}
        self._by_path: dict[Path, S] = {}

    def fresh(self, bits: Callable[[int], int]) -> int:
        """A discriminator for a new session; `bits(32)` gives a random number of 32 bits.

        It MUST be unique across all BFD sessions on this system, and nonzero. It SHOULD be set to a random (but still
        unique) value to improve security.
        """
        while (found := bits(32)) == 0 or found in self._by_discriminator:
            pass
        return found

    def add(self, discriminator: int, path: Path, session: S) -> None:
        """New first packets of the path go to this session; an older one keeps only its discriminator."""
        self._by_discriminator[discriminator] = session
        self._by_path[path] = session

    def remove(self, discriminator: int) -> None:
        session = self._by_discriminator.pop(discriminator, None)
        for path in [path for path, found in self._by_path.items() if found is session]:
            del self._by_path[path]

    def forget_path(self, path: Path) -> None:
        """The session takes no first packets any more, and stays known by its discriminator."""
        self._by_path.pop(path, None)

    def by_discriminator(self, discriminator: int) -> S:
        """Raises MalformedPacket.

        If the Your Discriminator field is nonzero, it MUST be used to select the session with which this BFD packet is
        associated. If no session is found, the packet MUST be discarded.
        """
        session = self._by_discriminator.get(discriminator)
        if session is None:
            raise MalformedPacket(Drop.UNKNOWN_SESSION)
        return session

    def by_path(self, path: Path) -> S:
        """The session of a packet that names none, by the way that it came. Raises MalformedPacket.

        If the Your Discriminator field is zero, the session MUST be selected based on some combination of other fields
        ... If a matching session is not found, ... the packet MAY be discarded.
        """
        session = self._by_path.get(path) or self._by_path.get(Path(path.peer, multi_hop=path.multi_hop))
        if session is None:
            raise MalformedPacket(Drop.UNKNOWN_SESSION)
        return session

"""The UDP ports that sessions need: opened with the first session of a kind, closed with the last.

A port that another program has is asked for again and again: a BFD daemon that is stopped later makes room.
"""

import errno
from collections.abc import Callable, Iterable

from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.net.bfd.sockets import MULTI_HOP, SINGLE_HOP, Receiver

LOOK_AGAIN = 1.0  # seconds
Kind = tuple[int, bool]  # version of IP, multiple hops


def kind_of(path: Path) -> Kind:
    """What port the packets of a session come to."""
    return path.peer.version, path.multi_hop


class Ports:
    """`watch` is called with each receiver that opens, `unwatch` before one closes."""

    def __init__(self, watch: Callable[[Receiver], None], unwatch: Callable[[Receiver], None]) -> None:
        self._watch, self._unwatch = watch, unwatch
        self._open: dict[Kind, Receiver] = {}
        self._problems: dict[Kind, str] = {}
        self._look_at = 0.0

    @property
    def receivers(self) -> tuple[Receiver, ...]:
        return tuple(self._open.values())

    def problem(self, kind: Kind) -> str:
        """Why packets of that kind are not heard; "" when they are."""
        return self._problems.get(kind, "")

    def need(self, kinds: Iterable[Kind]) -> None:
        """Sessions of these kinds exist, and no others."""
        wanted = set(kinds)
        for kind in self._open.keys() - wanted:
            receiver = self._open.pop(kind)
            self._unwatch(receiver)
            receiver.close()
        self._problems = {kind: why for kind, why in self._problems.items() if kind in wanted}
        for kind in wanted - self._open.keys() - self._problems.keys():
            self._try(kind)

    def look_again(self, now: float) -> None:
        """Try the ports that could not be opened, once in a while."""
        if self._problems and now >= self._look_at:
            self._look_at = now + LOOK_AGAIN
            for kind in list(self._problems):
                self._try(kind)

    def _try(self, kind: Kind) -> None:
        version, multi_hop = kind
        try:
            receiver = Receiver(version, multi_hop=multi_hop)
        except OSError as error:
            port = MULTI_HOP if multi_hop else SINGLE_HOP
            why = "another BFD daemon on this node has it" if error.errno == errno.EADDRINUSE else error.strerror
            self._problems[kind] = f"UDP port {port} cannot be opened: {why}"
            return
        self._problems.pop(kind, None)
        self._open[kind] = receiver
        self._watch(receiver)

    def close(self) -> None:
        self.need(())

"""BFD sessions with the peers that the ownership machine watches, and what they tell it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lb_controller.model.address import Address
from speaker.announcer.bfd.authentication import Authentication, AuthType, Key
from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.bfd.packet import Diagnostic, State
from speaker.announcer.bfd.timers import Parameters
from speaker.announcer.net.bfd.driver import BfdDriver
from speaker.announcer.net.bfd.values import BfdEvent, LoopGap, PacketHeard, SessionChanged, Wanted
from speaker.announcer.ownership.events import Event, Expired, Heard
from speaker.announcer.ownership.keyring import Keyring

_HEARS_US = (State.INIT, State.UP)
_PURPOSE = b"BFD"


@dataclass(frozen=True, slots=True)
class Profile:
    """How fast death is noticed: seconds between packets, and how many may be missed."""

    interval: float = 0.2
    multiplier: int = 3


class Liveness:
    """The sessions of one node. `on_events` is called with what they tell."""

    def __init__(self, bfd: BfdDriver, profile: Profile, on_events: Callable[[list[Event]], None]) -> None:
        self._bfd, self._on_events = bfd, on_events
        microseconds = round(profile.interval * 1_000_000)
        self._wanted = Wanted(
            Parameters(desired_min_tx=microseconds, required_min_rx=microseconds, detect_mult=profile.multiplier)
        )
        self._peers: dict[Path, str] = {}
        self._up: set[Path] = set()

    def watch(self, peers: Mapping[str, Address], interface: str) -> None:
        """Hold sessions with exactly these peers, by their addresses on the interface."""
        wanted = {Path(address, interface, False): name for name, address in peers.items()}
        if wanted != self._peers:
            self._peers = wanted
            self._up &= wanted.keys()
            self._want()

    def authenticate(self, keyring: Keyring) -> None:
        """Packets are sealed with keys made from the members' own; both are accepted."""
        parameters = replace(self._wanted.parameters, authentication=authentication_of(keyring))
        if parameters != self._wanted.parameters:
            self._wanted = replace(self._wanted, parameters=parameters)
            self._want()

    def replaced(self, peer: str) -> None:
        """Another process speaks for the peer now."""
        for path, name in self._peers.items():
            if name == peer:
                self._bfd.replaced(path)

    def _want(self) -> None:
        self._bfd.want(self._on_event, dict.fromkeys(self._peers, self._wanted))

    def _on_event(self, event: BfdEvent) -> None:
        match event:
            case PacketHeard(path, state):
                if path in self._peers:
                    self._on_events([Heard(self._peers[path], two_way=state in _HEARS_US)])
            case SessionChanged(path, status):
                was_up = path in self._up
                (self._up.add if status.state is State.UP else self._up.discard)(path)
                silent = status.diagnostic is Diagnostic.DETECTION_TIME_EXPIRED
                if was_up and status.state is State.DOWN and silent and path in self._peers:
                    self._on_events([Expired(self._peers[path])])
            case LoopGap():
                pass  # the ownership machine looks at its own steps


def authentication_of(keyring: Keyring) -> Authentication:
    """RFC 5880 6.7.4, meticulous: a packet is believed once."""
    kind = AuthType.METICULOUS_KEYED_SHA1
    return Authentication(kind, tuple(Key(*key) for key in keyring.derived(_PURPOSE, kind.longest)))

"""What the users of BFD say to its driver, and what they are told."""

from collections.abc import Callable
from dataclasses import dataclass

from lb_controller.model.address import Address
from speaker.announcer.bfd.demultiplexer import Path
from speaker.announcer.bfd.packet import Diagnostic, State
from speaker.announcer.bfd.timers import Parameters
from speaker.announcer.net.bfd.sockets import TTL


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a session is to be run; `minimum_ttl` of what is received (255 on a single hop, always)."""

    parameters: Parameters
    local: Address | None = None
    minimum_ttl: int = TTL


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a session. `failures`: how often it was up and went down, other than by somebody's word."""

    state: State
    remote_state: State
    diagnostic: Diagnostic
    failures: int
    problem: str


@dataclass(frozen=True, slots=True)
class PacketHeard:
    """A valid, authentic packet of the peer; in state Init or Up it hears us too."""

    path: Path
    remote_state: State


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """Its state, or what hinders it."""

    path: Path
    status: Status


@dataclass(frozen=True, slots=True)
class LoopGap:
    """This process slept so many seconds longer than it wanted; told before what was heard meanwhile."""

    seconds: float


BfdEvent = PacketHeard | SessionChanged | LoopGap
Listener = Callable[[BfdEvent], None]

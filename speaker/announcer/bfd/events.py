"""What goes into a BFD session and what comes out of it."""

from dataclasses import dataclass

from speaker.announcer.bfd.malformed import Drop
from speaker.announcer.bfd.packet import Control, Diagnostic, State
from speaker.announcer.bfd.timers import Parameters

# --- events


@dataclass(frozen=True, slots=True)
class Received:
    """A packet that the demultiplexer found to be this session's: parsed, and as it came."""

    control: Control
    payload: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come."""


@dataclass(frozen=True, slots=True)
class Configure:
    """The session is to have these parameters from now on."""

    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Disable:
    """Keep the session administratively down, and say so."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Leave that again."""


@dataclass(frozen=True, slots=True)
class Resume:
    """This process stood still for `gap` seconds: all that had come meanwhile was given to `step` already."""

    gap: float


Event = Received | Tick | Configure | Disable | Enable | Resume

# --- effects


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes to the peer, now."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A valid, authentic packet came; the peer said that its state is `remote_state` (Init or Up: it hears us)."""

    remote_state: State


@dataclass(frozen=True, slots=True)
class Changed:
    """The session's state; why it changed (our Diagnostic), and what the peer said last."""

    state: State
    diagnostic: Diagnostic
    remote_state: State


@dataclass(frozen=True, slots=True)
class Dropped:
    """The packet was discarded."""

    reason: Drop


Effect = Send | Heard | Changed | Dropped

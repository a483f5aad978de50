"""What the reconciling machine wants done to the daemon."""

from dataclasses import dataclass

from speaker.bgp.sessions import Session


@dataclass(frozen=True, slots=True)
class Configure:
    """Effect: write this configuration and have the daemon read it."""

    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: write this line to the daemon."""

    line: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Effect: the daemon is beyond help; end it and start a new one."""

    reason: str


Effect = Configure | Send | Restart

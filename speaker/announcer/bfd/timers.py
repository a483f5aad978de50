"""The arithmetic of BFD's timers (RFC 5880 6.8.2, 6.8.4, 6.8.7), and what a session is configured with.

Intervals are in microseconds, as on the wire; what is added to a clock is in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from speaker.announcer.bfd.authentication import Authentication

SECOND = 1_000_000  # microseconds
# When bfd.SessionState is not Up, the system MUST set bfd.DesiredMinTxInterval to a value of not less than one second.
SLOW = SECOND
_LARGEST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a session is configured with. Raises ValueError for what no session can have."""

    desired_min_tx: int = 300_000
    required_min_rx: int = 300_000
    detect_mult: int = 3
    passive: bool = False
    authentication: Authentication | None = None

    def __post_init__(self) -> None:
        # bfd.DetectMult: This variable MUST be a nonzero integer.
        if not 1 <= self.detect_mult <= 255:
            raise ValueError(f"the BFD detect multiplier {self.detect_mult} is not between 1 and 255")
        for interval in (self.desired_min_tx, self.required_min_rx):
            if not 1 <= interval <= _LARGEST:
                raise ValueError(f"a BFD interval of {interval} microseconds is not between 1 and {_LARGEST}")


def desired_min_tx(parameters: Parameters, *, up: bool) -> int:
    """What is advertised and, once agreed, used."""
    return parameters.desired_min_tx if up else max(SLOW, parameters.desired_min_tx)


def jittered(interval: int, detect_mult: int, random: Callable[[], float]) -> float:
    """Seconds until the next packet; `random` gives numbers from 0 to 1.

    The periodic transmission of BFD Control packets MUST be jittered on a per-packet basis by up to 25%, that is, the
    interval MUST be reduced by a random value of 0 to 25%. If bfd.DetectMult is equal to 1, the interval between
    transmitted BFD Control packets MUST be no more than 90% of the negotiated transmission interval, and MUST be no
    less than 75%.
    """
    longest = 0.9 if detect_mult == 1 else 1.0
    return interval / SECOND * (longest - (longest - 0.75) * random())


def detection_time(detect_mult: int, required_min_rx: int, remote_desired_min_tx: int) -> float:
    """Seconds of silence after which the session is down (6.8.4, asynchronous mode).

    The Detection Time ... is equal to the value of Detect Mult received from the remote system, multiplied by the
    agreed transmit interval of the remote system (the greater of bfd.RequiredMinRxInterval and the last received
    Desired Min TX Interval).
    """
    return detect_mult * max(required_min_rx, remote_desired_min_tx) / SECOND

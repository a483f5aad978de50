"""The times of the protocol, in seconds. docs/explanation/ownership.md says for each why it is as long as it is."""

from dataclasses import dataclass
from typing import Final

ASKS: Final = (0.0, 0.05, 0.1)  # of a window
CLAIM_REPEATS: Final = (0.1, 0.25)  # after the first
START_HELLOS: Final = (0.1, 0.2, 0.3)  # after the first
YIELD_PAUSES: Final = (0.1, 0.2, 0.4, 0.5)  # after the first; then the last again and again
LEAVE_WORDS: Final = (0.0, 0.05, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """All settable times. `of` makes those that depend on the BFD profile."""

    detection: float = 0.6  # BFD: a peer silent for that long is suspected
    fresh: float = 0.3  # evidence that is vouched with: more than a BFD interval, less than (multiplier - 1) of them
    late: float = 0.3  # a loop gap that makes a node distrust itself: less than (multiplier - 1) BFD intervals
    deaf: float = 0.55  # heard nobody for that long: just below detection
    wake: float = 0.1  # the machine is stepped at least that often
    window: float = 0.2  # between suspicion and verdict: the last ask and the longest round trip accepted
    hush: float = 0.125  # nobody is heard for that long in a window: more than from one question to the next
    hello: float = 2.0
    hello_searching: float = 0.4  # while a watched peer is not alive and well
    soonest: float = 0.02  # STARTING and LATE end no earlier,
    sync: float = 0.3  # then as soon as one member answered,
    alone: float = 1.0  # then even when nobody did
    skew: float = 0.25  # for each better candidate that lives: more than a round trip and a loop
    skew_new: float = 1.0  # the same for an address never announced: brains may be slow
    probe: float = 0.1
    probe_new: float = 0.2
    back_off: float = 1.0  # somebody answers for it, or a node never met is said to own it
    returned: float = 0.15  # what a returned node had is asked about no earlier
    statement: float = 0.6  # a returned node has so long to say what it claims
    tell: float = 0.1  # two owners for that long: tell the loser
    upgrade: float = 2.0
    hold: float = 5.0  # a withdrawn address is not filled again
    grace: float = 0.6  # a node that restarted before it was suspected may resume
    unheard: float = 6.5  # a peer without BFD that sends nothing for that long is suspected
    just_heard: float = 0.195  # two-way evidence that counts for a claim after a death: not what began a window again
    heard_lately: float = 0.45  # ... and for any other claim
    vouch_after_late: float = 0.5
    failback: float = 5.0  # a better candidate was there and willing for that long
    recheck: float = 30.0  # of a quarantined address
    leave: float = 10.0  # at most, to give everything away
    defend: float = 10.0  # at most that often against a foreign host

    @classmethod
    def of(cls, interval: float, multiplier: int) -> "Timers":
        """Those of a BFD profile: `interval` in seconds, at least 2 packets."""
        if interval <= 0 or multiplier < 2:
            raise ValueError("a BFD profile has an interval above 0 and a multiplier of at least 2")
        detection, most = interval * multiplier, (multiplier - 1) * interval
        fresh = min(1.5 * interval, (interval + most) / 2)
        return cls(detection=detection, fresh=fresh, late=fresh, deaf=detection - interval / 4)

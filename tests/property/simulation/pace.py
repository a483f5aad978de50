"""A bound on what happens in a simulated second: time that does not go on is a fault, not a run without an end."""

EVENTS = 50_000  # in one second at most, and more for each address on each node
EVENTS_EACH = 500


class Runaway(Exception):
    """Somebody is woken again and again, or two answer each other without end."""


class Pace:
    """Counts the events of one world."""

    def __init__(self, nodes: int, addresses: int) -> None:
        self.at_most = EVENTS + EVENTS_EACH * nodes * addresses
        self.events, self._second = 0, 0

    def count(self, now: float) -> None:
        """One more event."""
        self.events += 1
        if self.events > self.at_most:
            if int(now) == self._second:
                raise Runaway(f"{self.events} events in the second before {now!r}")
            self._second, self.events = int(now), 0  # they were spread over several

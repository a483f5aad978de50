"""Routes that leave: demoted at once, withdrawn when the routers have had the time to turn to others (RFC 8326).

Only what the daemon was told before leaves in this way. A route that leaves and was never announced, as on a node that
was excluded before this process began, stays away: announcing it first would draw traffic to a node that goes.
"""

from collections.abc import Mapping, Set

from speaker.bgp.commands import Attributes

Routes = Mapping[str, Attributes]
_Key = tuple[str, str]  # peer name, prefix


class Farewell:
    """Remembers since when each route leaves. `seconds`: how long it stays demoted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: dict[_Key, float] = {}

    def step(
        self, wanted: Mapping[str, Routes], leaving: Mapping[str, Set[str]], given: Mapping[str, Routes], now: float
    ) -> dict[str, Routes]:
        """What is wanted at this moment, by peer. `given`: what the daemon was told."""
        before, self._until = self._until, {}
        found: dict[str, Routes] = {}
        for peer, routes in wanted.items():
            gone = set()
            for prefix in leaving.get(peer, ()):
                fresh = now + self.seconds if prefix in given.get(peer, {}) else now
                until = self._until[peer, prefix] = before.get((peer, prefix), fresh)
                if until <= now:
                    gone.add(prefix)
            found[peer] = {prefix: value for prefix, value in routes.items() if prefix not in gone} if gone else routes
        return found

    def deadline(self, now: float) -> float | None:
        """When the next route is to be withdrawn."""
        return min((until for until in self._until.values() if until > now), default=None)

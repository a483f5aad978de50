"""Which addresses are new on the link, so that their first announcement waits for an answer of a host that has them.

New is what appears after this speaker's first picture, for a while: what was there when it started may have been
announced for years, and a failover must not wait for anything.
"""

from collections.abc import Set

from lb_controller.model.address import Address

NEW_SECONDS = 30.0


class Newcomers:
    """Remembers when addresses appeared. Times in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._known: set[Address] = set()
        self._since: dict[Address, float] = {}

    def changed(self, announced: Set[Address], now: float, *, first: bool) -> None:
        """These are announced now; `first`: nothing was known before."""
        if not first:
            self._since |= dict.fromkeys(announced - self._known, now)
        self._since = {
            address: since
            for address, since in self._since.items()
            if address in announced and now - since < NEW_SECONDS
        }
        self._known = set(announced)

    def fresh(self, address: Address, now: float) -> bool:
        """Whether the address was never announced before, as far as this speaker knows."""
        since = self._since.get(address)
        return since is not None and now - since < NEW_SECONDS

"""Which addresses are claimed already, and by which pool.

Claimed ranges never overlap each other, so that one look at the last range that begins early enough tells whether a new
one does: O(log n) instead of a comparison with every range of every pool.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass, field

from lb_controller.model.address import AddressRange


@dataclass(slots=True)
class Claims:
    """Ranges and their owners; no two of them overlap."""

    _entries: list[tuple[int, int, int, str]] = field(default_factory=list)  # version, first, last, owner
    _ranges: dict[tuple[int, int], AddressRange] = field(default_factory=dict)

    def rival(self, wanted: AddressRange) -> tuple[AddressRange, str] | None:
        """The claimed range that overlaps this one, the highest if there are several, and its owner."""
        version, last = wanted.first.version, int(wanted.last)
        index = bisect_right(self._entries, (version, last, 1 << 128, "")) - 1
        if index < 0:
            return None
        found_version, first, found_last, owner = self._entries[index]
        if found_version != version or found_last < int(wanted.first):
            return None
        return self._ranges[version, first], owner

    def add(self, wanted: AddressRange, owner: str) -> None:
        """Claim a range that has no rival."""
        version, first = wanted.first.version, int(wanted.first)
        insort(self._entries, (version, first, int(wanted.last), owner))
        self._ranges[version, first] = wanted

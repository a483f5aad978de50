"""A decision about one address, as the announcer is told it."""

from speaker.decide.layer2 import Announcement
from speaker.ipc.messages import LinkAnnouncement


def told(announcement: Announcement, *, fresh: bool) -> LinkAnnouncement:
    """The message's part for one address; `fresh`: it was never announced before."""
    interfaces = announcement.interfaces
    return LinkAnnouncement(
        address=str(announcement.address),
        candidates=announcement.candidates,
        interfaces=None if interfaces is None else tuple(sorted(interfaces)),
        fresh=fresh,
        rebalance=tuple(sorted(announcement.rebalance)),
    )

"""What the speaker said last, kept in a file, so that a restarted announcer resumes while speaker and API are away.

The file holds one LinkSnapshot. It lies in the pod's own folder and goes with the pod; it is a hint that the speaker's
next word replaces. A file that cannot be read, or holds what no speaker of this version says, is as good as none.
"""

import contextlib
import os
from ipaddress import ip_address
from pathlib import Path

import msgspec

from speaker.announcer.ownership.events import Unwilling
from speaker.ipc.messages import LinkSnapshot


def load(path: Path) -> LinkSnapshot | None:
    """The snapshot in the file, None when there is none or it cannot be read."""
    try:
        snapshot = msgspec.json.decode(path.read_bytes(), type=LinkSnapshot)
        for announcement in snapshot.announcements:
            ip_address(announcement.address)
        for reason in snapshot.unwilling:
            Unwilling(reason)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    return snapshot


def save(path: Path, snapshot: LinkSnapshot) -> None:
    """Replace the file atomically; a full disk only costs the quick resumption."""
    fresh = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        fresh.write_bytes(msgspec.json.encode(snapshot))
        os.replace(fresh, path)  # noqa: PTH105 - the two names stand side by side

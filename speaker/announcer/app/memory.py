"""What the speaker said last, kept in a file, so that a restarted announcer resumes while speaker and API are away.

The file holds one LinkSnapshot. It lies in the pod's own folder and goes with the pod; it is a hint that the speaker's
next word replaces. A file that cannot be read is as good as none.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from speaker.ipc.messages import LinkSnapshot


def load(path: Path) -> LinkSnapshot | None:
    """The snapshot in the file, None when there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LinkSnapshot)
    except (OSError, msgspec.MsgspecError):
        return None


def save(path: Path, snapshot: LinkSnapshot) -> None:
    """Replace the file atomically; a full disk only costs the quick resumption."""
    fresh = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        fresh.write_bytes(msgspec.json.encode(snapshot))
        os.replace(fresh, path)  # noqa: PTH105 - the two names stand side by side

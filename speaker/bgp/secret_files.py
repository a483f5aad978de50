"""Files of a private folder that may hold passwords: only we may read them, and none is left behind half written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "part-"


@contextmanager
def written(folder: Path, text: str) -> Iterator[Path]:
    """A new file with this text, mode 0600, that is gone afterwards unless it was renamed. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def replace(file: Path, text: str) -> None:
    """Replace the file's text in one step. Raises OSError, and the file is as it was."""
    with written(file.parent, text) as fresh:
        fresh.rename(file)


def sweep(folder: Path) -> None:
    """Delete what a process that was killed while it wrote has left."""
    for path in folder.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)

"""Which HeraldLB this is: its version, and the commit that an image was built from.

The file COMMIT lies beside the packages in an image (see the Containerfile); a checkout has none.
"""

from pathlib import Path

VERSION = "0.1.0"
_COMMIT = Path(__file__).parents[2] / "COMMIT"


def describe(prog: str) -> str:
    """One line: program, version, commit."""
    return f"{prog}: HeraldLB {VERSION}, commit {commit()}"


def commit() -> str:
    """The commit, or "unknown" in a checkout and in an image that was built without being told."""
    try:
        return _COMMIT.read_text().strip() or "unknown"
    except OSError:
        return "unknown"

"""A certificate and its key as a file in memory: TLS libraries want a path, and the pod's file system is read-only."""

import os
from pathlib import Path


class CertificateFile:
    """Holds the latest text at one path; a reader sees the old or the new one whole. Close it at the end."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    @property
    def path(self) -> Path | None:
        """Where to read it; None before the first `load`. The path stays the same."""
        return None if self._descriptor is None else Path(f"/proc/self/fd/{self._descriptor}")

    def load(self, text: bytes) -> None:
        """Put this text in place of what was there."""
        fresh = os.memfd_create("heraldlb-certificate", os.MFD_CLOEXEC)
        os.write(fresh, text)
        if self._descriptor is None:
            self._descriptor = fresh
            return
        os.dup2(fresh, self._descriptor, inheritable=False)
        os.close(fresh)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

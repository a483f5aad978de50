"""python -m tests.e2e: all tests on a real Kubernetes, in two parts side by side; what failed once more by itself.

One part has the tests on the cluster of three nodes, the other the rest: both wait for most of their time. A small
machine has real time of its own, so what failed is said, and then tried once more when nothing else runs.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PARTS = {"nodes": "e2e and nodes", "rest": "e2e and not nodes"}
NOTHING_FAILED = 0


@dataclass
class Part:
    """One part, running; its output is shown when it has ended."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def end(self) -> int:
        """Wait for the end, show what it said."""
        status = self.process.wait()
        self.output.seek(0)
        print(f"== {self.name}", flush=True)
        sys.stdout.buffer.write(self.output.read())
        sys.stdout.flush()
        return status


def command(part: str, *more: str) -> list[str]:
    """The tests of one part; each part remembers its own failures."""
    cache = f"cache_dir=.pytest_cache/{part}"
    return [sys.executable, "-m", "pytest", "-m", PARTS[part], "-o", cache, "--durations=15", *more, "tests/e2e"]


@contextlib.contextmanager
def running(part: str, *more: str) -> Iterator[Part]:
    """The part as a process, which ends with the block at the latest."""
    with tempfile.TemporaryFile() as output:
        environment = {**os.environ, "HERALD_E2E_PART": part, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command(part, *more), cwd=ROOT, stdout=output, stderr=output, env=environment)
        try:
            yield Part(part, process, output)
        finally:
            process.terminate()  # pytest removes its labs then
            process.wait()


def main(arguments: list[str]) -> int:
    """Run both parts, then what failed in them; returns the exit status."""
    with running("nodes", *arguments) as nodes, running("rest", *arguments) as rest:
        # The shorter one first, so that its news is not held back.
        failed = [part.name for part in (rest, nodes) if part.end() != NOTHING_FAILED]
    broken = 0
    for part in failed:
        print(f"== what failed in {part}, once more by itself", flush=True)
        with running(part, "--last-failed", "--last-failed-no-failures", "none", *arguments) as again:
            broken += again.end() != NOTHING_FAILED
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

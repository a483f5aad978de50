"""Running programs: one place that turns a failed command into a sentence."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class LabError(Exception):
    """What the lab could not do, as a sentence for the person at the terminal."""


Result = subprocess.CompletedProcess[str]


def attempt(
    command: Sequence[str | Path],
    *,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = 120,
) -> Result:
    """Run to the end and return the result whatever it is; a missing program or a timeout is a LabError."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise LabError(
            f"the program {words[0]} is missing; `python -m tests.lab build` installs what it needs"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:g} s: {' '.join(words)[:300]}") from None


def run(
    command: Sequence[str | Path],
    *,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = 120,
) -> str:
    """Run to the end and return standard output; a failure is a LabError with the command and its last words."""
    result = attempt(command, input=input, env=env, cwd=cwd, timeout=timeout)
    if result.returncode != 0:
        words = " ".join(str(word) for word in command)
        last = (result.stderr or result.stdout).strip()[-1500:]
        raise LabError(f"exit status {result.returncode}: {words[:400]}\n{last}")
    return result.stdout

"""Which sessions the daemon would accept, asked of the real daemon before it sees them.

One session that ExaBGP refuses must not take the others with it: when the whole file is refused, each session is tried
alone and the faulty ones are left out, each with ExaBGP's words. The words never hold a password.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speaker.bgp import secret_files
from speaker.bgp.configuration import configuration
from speaker.bgp.sessions import Session

SECONDS = 20.0
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sessions that the daemon accepts together, and a sentence for each of the others, by name."""

    accepted: tuple[Session, ...]
    refused: dict[str, str]


async def validated(sessions: Sequence[Session], bridge: Sequence[str], folder: Path) -> Verdict:
    """Ask `exabgp validate`. `folder`: private, for the files. Raises OSError when a file cannot be written."""
    sessions = tuple(sessions)
    if await _complaint(sessions, bridge, folder) is None:
        return Verdict(sessions, {})
    refused = {}
    for session in sessions:
        complaint = await _complaint((session,), bridge, folder)
        if complaint is not None:
            refused[session.name] = f"ExaBGP does not accept this peer: {complaint}"
    accepted = tuple(session for session in sessions if session.name not in refused)
    together = await _complaint(accepted, bridge, folder)
    if together is None:
        return Verdict(accepted, refused)
    everything = {
        session.name: f"ExaBGP does not accept the peers of this node together: {together}" for session in accepted
    }
    return Verdict((), {**refused, **everything})


async def _complaint(sessions: tuple[Session, ...], bridge: Sequence[str], folder: Path) -> str | None:
    if not sessions:
        return None
    with secret_files.written(folder, configuration(sessions, bridge)) as file:
        return await _run(str(file), sessions)


async def _run(name: str, sessions: tuple[Session, ...]) -> str | None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "speaker.bgp.validate",
        name,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"exabgp validate took longer than {SECONDS:.0f} s"
    return None if process.returncode == 0 else _words(output.decode(errors="replace"), sessions)


def _words(output: str, sessions: tuple[Session, ...]) -> str:
    """The last line that says something, without passwords."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    said = [line for line in lines if line and not line.startswith(("line ", "syntax error", "configuration"))]
    return without_passwords(said[-1] if said else "no reason was given", sessions)[:LONGEST_REASON]


def without_passwords(text: str, sessions: Sequence[Session]) -> str:
    """The text with every password of these sessions blotted out."""
    for session in sessions:
        if session.password:
            for secret in (session.password_text, session.password.decode(errors="replace")):
                text = text.replace(secret, "***")
    return text


def environment() -> dict[str, str]:
    """The daemon's environment: only what Python needs, and ExaBGP's own switches."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "exabgp_daemon_user": "root",  # a name that always exists; it is not used, nothing is dropped
        "exabgp_daemon_drop": "false",
        "exabgp_daemon_daemonize": "false",
        "exabgp_api_cli": "false",
        "exabgp_api_ack": "true",
        "exabgp_api_respawn": "false",
        "exabgp_tcp_bind": "",
        "exabgp_log_level": "ERROR",
        "exabgp_log_destination": "stderr",
        "exabgp_log_configuration": "false",  # its complaints quote whole lines, passwords among them
    }

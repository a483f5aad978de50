"""The daemon as a child process, and the bridge's connection that belongs to it."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lb_controller.runtime.logging import logger
from speaker.bgp import bridge as bridge_module
from speaker.bgp import secret_files
from speaker.bgp.configuration import configuration
from speaker.bgp.sessions import Session
from speaker.bgp.validation import environment, without_passwords

LONGEST_LINE = 1024 * 1024  # bytes
START_SECONDS = 20.0
STOP_SECONDS = 3.0
_UCRED = struct.Struct("3i")  # struct ucred: pid, uid, gid
# What the daemon calls critical and is not: missing files that it does not need, and each signal that we send.
_ROUTINE = re.compile(r"advice\b|reactor\s+(SIG\w+ received|scheduling|performing)")
_log = logger(part="daemon")


class Daemon:
    """One ExaBGP at a time, with its configuration file and its bridge.

    `folder` is private to this process: the file holds passwords.
    """

    def __init__(self, folder: Path, socket_path: Path) -> None:
        self.folder, self.socket_path = folder, socket_path
        self.file = folder / "exabgp.conf"
        self.sessions: tuple[Session, ...] = ()
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._bridge: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._bridge_pid = 0
        self._bridge_came = asyncio.Event()

    @property
    def bridge_command(self) -> list[str]:
        """What the daemon spawns; -I and -S: neither environment nor site packages, for a quick start."""
        return [sys.executable, "-I", "-S", str(Path(bridge_module.__file__).resolve()), str(self.socket_path)]

    async def listen(self) -> None:
        """Accept bridges for ever. Raises OSError when the socket cannot be made."""
        self.socket_path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._accept, self.socket_path, limit=LONGEST_LINE)
        self.socket_path.chmod(0o600)
        async with server:
            await server.serve_forever()

    async def run(
        self, sessions: Sequence[Session], on_start: Callable[[], None], on_line: Callable[[str], None]
    ) -> str:
        """Start the daemon with these sessions and pass on what it says until it ends; returns why it ended."""
        self.write(sessions)
        self._bridge_came.clear()
        self.starts += 1
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "speaker.bgp.daemon",
            str(self.file),
            str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )
        words = asyncio.create_task(self._forward_words(process))
        talk = asyncio.create_task(self._talk(on_start, on_line))
        try:
            await asyncio.wait({talk, asyncio.create_task(process.wait())}, return_when=asyncio.FIRST_COMPLETED)
            said = talk.result() if talk.done() else ""
            if process.returncode is None:
                process.kill()
            code = await process.wait()
            return said or (f"signal {-code}" if code < 0 else f"exit status {code}")
        finally:
            await self._clean_up(process, (talk, words))

    def send(self, line: str) -> None:
        """Write one command; without a bridge it is dropped, as everything is said again to the next one."""
        if self._bridge is not None:
            self._bridge[1].write(line.encode("ascii") + b"\n")

    def reload(self, sessions: Sequence[Session]) -> None:
        """Have the running daemon read a new configuration."""
        self.write(sessions)
        self._signal(signal.SIGUSR1)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.kill()

    def write(self, sessions: Sequence[Session]) -> None:
        """Replace the file in one step; only we may read it."""
        self.sessions = tuple(sessions)
        secret_files.replace(self.file, configuration(self.sessions, self.bridge_command))

    # --- inside

    async def _talk(self, on_start: Callable[[], None], on_line: Callable[[str], None]) -> str:
        try:
            await asyncio.wait_for(self._bridge_came.wait(), START_SECONDS)
        except TimeoutError:
            return f"its bridge did not come within {START_SECONDS:.0f} s"
        assert self._bridge is not None
        reader, _ = self._bridge
        on_start()
        try:
            while line := await reader.readline():
                on_line(line.decode("utf-8", errors="replace"))
        except (ConnectionError, ValueError) as error:
            return f"its bridge failed: {error}"
        await asyncio.sleep(0.2)  # the daemon that closed it ends now; its exit status says more than this
        return ""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, uid = _credentials(writer)
        if uid != os.getuid() or self._process is None or self._bridge is not None:
            writer.close()
            return
        self._bridge, self._bridge_pid = (reader, writer), pid
        self._bridge_came.set()

    async def _forward_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = without_passwords(line.decode(errors="replace").strip(), self.sessions)
            if text and not _ROUTINE.match(text):
                _log.warning("daemon_said", text=text[:500])

    async def _clean_up(self, process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[object]]) -> None:
        if process.returncode is None:
            process.kill()
        for task in tasks:
            task.cancel()
        if self._bridge is not None:
            self._bridge[1].close()
        self._bridge = None
        self._process = None
        await _reap(self._bridge_pid)
        self._bridge_pid = 0

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


def _credentials(writer: asyncio.StreamWriter) -> tuple[int, int]:
    connection: socket.socket = writer.get_extra_info("socket")
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid


async def _reap(pid: int) -> None:
    """A killed daemon's bridge becomes our child where we are process 1 of a container: collect it."""
    for _ in range(10 if pid and os.getpid() == 1 else 0):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):  # noqa: ASYNC222 - WNOHANG does not wait
                await asyncio.sleep(0.1)
                continue
        return

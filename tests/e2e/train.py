"""A train of requests: a new connection every 10 ms, each of which must be answered.

As a program (`train.py HOST PORT`) it asks until SIGTERM and prints what it met as JSON; as a module it starts that
program in a namespace of the lab. The standard library is enough for it, and it never retries: what the kernel does not
deliver within SECONDS has failed.
"""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Self

EVERY = 0.01
SECONDS = 3.0  # a lost SYN is sent again after 1 s: late, but no failure
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@dataclass(slots=True)
class Met:
    """What it met. `failed`: when it asked (monotonic clock, s), why that failed; `worst`: the slowest answer, s."""

    asked: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)
    worst: float = 0.0


@contextmanager
def train(namespace: Path, address: IPv4Address | IPv6Address, port: int = 80) -> Iterator[Met]:
    """Ask from the network namespace for the length of the block; afterwards the object holds what was met."""
    command = ["nsenter", f"--net={namespace}", sys.executable, __file__, str(address), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    met = Met()
    try:
        yield met
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        found = json.loads(output)
        met.asked, met.worst = found["asked"], found["worst"]
        met.failed = [(at, why) for at, why in found["failed"]]


class Changes(threading.Thread):
    """What a command in a namespace, one that watches something of the kernel, printed, and when; monotonic seconds."""

    def __init__(self, namespace: Path, *command: str) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self.lines: list[str] = []
        words = ["nsenter", f"--net={namespace}", *command]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(timeout=10)

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.times.append(time.monotonic())
            self.lines.append(line.rstrip())

    def during(self, begin: float, seconds: float) -> bool:
        """Whether one came in that time."""
        return any(begin <= at <= begin + seconds for at in self.times)


async def _ask(host: str, port: int, met: Met) -> None:
    at = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(REQUEST)
                if not (await reader.read(64)).startswith(b"HTTP/"):
                    raise ConnectionError("closed without an answer")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        met.failed.append((at, type(error).__name__ + f": {error}" * bool(str(error))))
    met.worst = max(met.worst, time.monotonic() - at)


async def _main(host: str, port: int) -> Met:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    met, begin = Met(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            group.create_task(_ask(host, port, met))
            met.asked += 1
            # By the clock, not by the loop: what was late is caught up.
            await asyncio.sleep(max(0.0, begin + met.asked * EVERY - time.monotonic()))
    return met


if __name__ == "__main__":
    found = asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
    print(json.dumps({"asked": found.asked, "failed": found.failed[:1000], "worst": round(found.worst, 3)}))

"""The process that the daemon spawns: bytes from the daemon to the supervisor's socket and back, nothing else.

When either side ends, the bridge kills the daemon: a daemon that nobody steers would announce for ever. Only the
standard library, and no import of this package, so that it starts in a few milliseconds with `python -I -S`.
"""

import contextlib
import os
import signal
import socket
import sys
import threading

CHUNK = 65536


def from_daemon(supervisor: socket.socket, daemon: int) -> None:
    """Standard input to the socket, until the daemon closes it."""
    try:
        while chunk := os.read(0, CHUNK):
            supervisor.sendall(chunk)
    except OSError:
        pass
    end(daemon)


def to_daemon(supervisor: socket.socket, daemon: int) -> None:
    """The socket to standard output, until the supervisor closes it."""
    try:
        while chunk := supervisor.recv(CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[os.write(1, view) :]
    except OSError:
        pass
    end(daemon)


def end(daemon: int) -> None:
    """Kill the daemon, if it is still our parent, and leave."""
    if os.getppid() == daemon:
        with contextlib.suppress(ProcessLookupError):  # it ended in between
            os.kill(daemon, signal.SIGKILL)
    os._exit(0)


def main(path: str) -> None:
    """Connect to the supervisor's socket and carry bytes until either side ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    daemon = os.getppid()
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        supervisor.connect(path)
    except OSError:
        end(daemon)
    threading.Thread(target=from_daemon, args=(supervisor, daemon), daemon=True).start()
    to_daemon(supervisor, daemon)


if __name__ == "__main__":
    main(sys.argv[1])

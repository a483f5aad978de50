"""python -m tests.lab.relay PORT INSIDE MILLISECONDS: carry frames between two interfaces, each way with a delay.

It stands in for netem, which many kernels lack: the lab takes a switch port out of the bridge and puts this program and
a new cable between. Frames keep their order.
"""

import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

LARGEST_FRAME = 65535
EVERY_PROTOCOL = 3


@dataclass
class Way:
    """One direction: what was received, with the time at which it is due (seconds of the monotonic clock)."""

    receiver: socket.socket
    sender: socket.socket
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self, due: float) -> None:
        """Read everything that has arrived."""
        while True:
            try:
                frame, source = self.receiver.recvfrom(LARGEST_FRAME)
            except BlockingIOError:
                return
            if source[2] != socket.PACKET_OUTGOING:
                self.waiting.append((due, frame))

    def give(self, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            self.sender.send(self.waiting.popleft()[1])


def raw(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    made.bind((interface, 0))
    made.setblocking(False)
    return made


def relay(port: str, inside: str, delay: float) -> None:
    """Carry frames for ever; `delay` is in seconds."""
    here, there = raw(port), raw(inside)
    ways = [Way(here, there), Way(there, here)]
    while True:
        due = [way.waiting[0][0] for way in ways if way.waiting]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select([here, there], [], [], timeout)
        for way in ways:
            if way.receiver in ready:
                way.take(time.monotonic() + delay)
            way.give(time.monotonic())


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000)

"""BGP peers that do what no peer should: `python -m tests.e2e.hostile ADDRESS=KIND ...`, one listener on each address.

Raw sockets and the standard library only. Each connection is played by one thread, until the other side has enough.
"""

import os
import socket
import struct
import sys
import threading
import time

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
ASN = 64500


def message(kind: int, body: bytes = b"") -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def open_message(asn: int = ASN, *, hold: int = 9, capabilities: bytes = b"\x01\x04\x00\x01\x00\x01") -> bytes:
    """Multiprotocol IPv4 unicast, and the AS number in four octets."""
    parameters = capabilities + b"\x41\x04" + struct.pack("!I", asn)
    optional = struct.pack("!BB", 2, len(parameters)) + parameters
    return message(OPEN, struct.pack("!BHH4sB", 4, asn & 0xFFFF, hold, b"\x0a\x00\x00\x09", len(optional)) + optional)


def establish(connection: socket.socket) -> None:
    connection.sendall(open_message() + message(KEEPALIVE))


def garbage(connection: socket.socket) -> None:
    connection.sendall(os.urandom(8192))


def wrong_as(connection: socket.socket) -> None:
    connection.sendall(open_message(65010))


def broken_capability(connection: socket.socket) -> None:
    connection.sendall(open_message(capabilities=b"\x01\xff\x00\x01"))


def storm(connection: socket.socket) -> None:
    """A NOTIFICATION at once, on every attempt."""
    connection.sendall(message(NOTIFICATION, b"\x06\x05"))


def half_open(connection: socket.socket) -> None:
    """Not a word."""
    time.sleep(3600)


def endless(connection: socket.socket) -> None:
    """A header that promises much, and then nothing."""
    connection.sendall(MARKER + struct.pack("!HB", 4096, OPEN) + b"\x04")
    time.sleep(3600)


def silent(connection: socket.socket) -> None:
    """Established, and never heard of again: only the hold time tells."""
    connection.sendall(open_message(hold=3) + message(KEEPALIVE))
    time.sleep(3600)


def broken_update(connection: socket.socket) -> None:
    """Attributes that are shorter than they say: UPDATEs are not read, so they can break nothing."""
    establish(connection)
    while True:
        time.sleep(1)
        connection.sendall(message(UPDATE, b"\x00\x00\xff\xff\x40\x01") + message(KEEPALIVE))


def slow_reader(connection: socket.socket) -> None:
    """Established and alive, but it reads nothing that it is sent."""
    establish(connection)
    while True:
        time.sleep(1)
        connection.sendall(message(KEEPALIVE))


def full_table(connection: socket.socket) -> None:
    """Sends 200,000 routes to who wants none."""
    establish(connection)
    attributes = (
        b"\x40\x01\x01\x00" + b"\x40\x02\x06\x02\x01" + struct.pack("!I", ASN) + b"\x40\x03\x04\xc0\xa8\x4d\x32"
    )
    head = struct.pack("!HH", 0, len(attributes)) + attributes
    for block in range(400):
        prefixes = b"".join(struct.pack("!BI", 32, 0x0B000000 + block * 500 + number) for number in range(500))
        connection.sendall(message(UPDATE, head + prefixes))
    while True:
        time.sleep(1)
        connection.sendall(message(KEEPALIVE))


KINDS = {
    play.__name__: play
    for play in (
        *(garbage, wrong_as, broken_capability, storm, half_open, endless, silent, broken_update),
        *(slow_reader, full_table),
    )
}


def serve(address: str, kind: str) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == "slow_reader":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind((address, 179))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=play, args=(connection, kind), daemon=True).start()


def play(connection: socket.socket, kind: str) -> None:
    try:
        KINDS[kind](connection)
        while kind != "slow_reader" and connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()


if __name__ == "__main__":
    threads = [threading.Thread(target=serve, args=word.split("=", 1)) for word in sys.argv[1:]]
    for thread in threads:
        thread.start()

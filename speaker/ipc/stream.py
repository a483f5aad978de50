"""Messages over a Unix socket: four bytes of length, big endian, then the message as JSON.

The announcers listen and the speaker connects; both sides may end and come back at any time. A frame that is too long
or that is no message closes the connection, because after it nothing can be trusted. Standard library and msgspec only.
"""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from speaker.ipc.messages import AnyMessage

LARGEST = 16 * 1024 * 1024  # bytes; a snapshot of 10,000 announcements needs about 2 MiB
_LENGTH = struct.Struct("!I")
_decoder = msgspec.json.Decoder(AnyMessage)
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0  # seconds between attempts to connect


class BadFrame(Exception):
    """What came is no message."""


def encode(message: AnyMessage) -> bytes:
    """The frame of a message. Raises BadFrame when it is too long."""
    body = msgspec.json.encode(message)
    if len(body) > LARGEST:
        raise BadFrame(f"a message of {len(body)} bytes is longer than {LARGEST}")
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> AnyMessage | None:
    """The next message, None at the end of the stream. Raises BadFrame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > LARGEST:
            raise BadFrame(f"a frame of {length} bytes is longer than {LARGEST}")
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        message: AnyMessage = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BadFrame(f"no message: {error}") from None
    else:
        return message


class Peer:
    """The other side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, message: AnyMessage) -> None:
        """Send without waiting; a closed connection swallows it, its end is noticed by `messages`."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def messages(self) -> AsyncIterator[AnyMessage]:
        """What comes, until the connection ends. Raises BadFrame."""
        while (message := await read(self._reader)) is not None:
            yield message

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Server:
    """Listens at `path` for one peer at a time; the newest connection replaces an older one.

    `on_message` is called for each message, `on_connect` with each new peer: send it what it must know.
    """

    def __init__(
        self,
        path: Path,
        on_message: Callable[[AnyMessage], None],
        on_connect: Callable[[Peer], None] = lambda _: None,
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path, self.on_message, self.on_connect, self.on_error = path, on_message, on_connect, on_error
        self.peer: Peer | None = None

    async def serve(self) -> None:
        """Listen for ever. Raises OSError when the socket cannot be made."""
        self.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connected, self.path)
        os.chmod(self.path, 0o660)  # noqa: PTH101 - only the pod's own group
        async with server:
            await server.serve_forever()

    def send(self, message: AnyMessage) -> None:
        """Send to the present peer, if there is one."""
        if self.peer is not None:
            self.peer.send(message)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        previous, self.peer = self.peer, Peer(reader, writer)
        mine = self.peer
        if previous is not None:
            await previous.close()
        self.on_connect(mine)
        try:
            async for message in mine.messages():
                self.on_message(message)
        except BadFrame as error:
            self.on_error(str(error))
        except asyncio.CancelledError:
            pass  # the process ends; Python 3.11 would report the cancelled task of a connection as an error
        finally:
            if self.peer is mine:
                self.peer = None
            await mine.close()


class Client:
    """Connects to `path`, again and again; `on_connect` with each new peer, `on_message` for what it says."""

    def __init__(
        self,
        path: Path,
        on_message: Callable[[AnyMessage], None],
        on_connect: Callable[[Peer], None],
        on_error: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.path, self.on_message, self.on_connect, self.on_error = path, on_message, on_connect, on_error
        self._sleep = sleep
        self.peer: Peer | None = None

    @property
    def connected(self) -> bool:
        return self.peer is not None

    def send(self, message: AnyMessage) -> None:
        if self.peer is not None:
            self.peer.send(message)

    async def run(self) -> None:
        """Stay connected for ever."""
        wait = _FIRST_WAIT
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self.path)
            except OSError:
                await self._sleep(wait)
                wait = min(_LONGEST_WAIT, wait * 2)
                continue
            wait = _FIRST_WAIT
            await self._talk(Peer(reader, writer))
            await self._sleep(wait)

    async def _talk(self, peer: Peer) -> None:
        self.peer = peer
        try:
            self.on_connect(peer)
            async for message in peer.messages():
                self.on_message(message)
        except BadFrame as error:
            self.on_error(str(error))
        finally:
            self.peer = None
            await peer.close()

"""Messages over a Unix socket: four bytes of length, big endian, then the message as JSON.

The announcers listen and the speaker connects; both sides may end and come back at any time. A frame that is too long
or that is no message closes the connection, because after it nothing can be trusted; so does a peer that does not read,
before what waits for it grows without bound. Nothing is lost by that: whoever connects is told everything anew.
Standard library and msgspec only.
"""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from speaker.ipc.messages import AnyMessage

LARGEST = 16 * 1024 * 1024  # bytes; a snapshot of 10,000 announcements needs about 2 MiB
MOST_UNSENT = 2 * LARGEST  # bytes that may wait for a peer that does not read
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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"no message: {error}") from None
    else:
        return message


class Peer:
    """The other side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, message: AnyMessage) -> None:
        """Send without waiting; a closed connection swallows it, its end is noticed by `messages`. Raises BadFrame."""
        if self._writer.is_closing():
            return
        self._writer.write(encode(message))
        if self._writer.transport.get_write_buffer_size() > MOST_UNSENT:
            self.close()

    async def messages(self) -> AsyncIterator[AnyMessage]:
        """What comes, until the connection ends. Raises BadFrame."""
        while (message := await read(self._reader)) is not None:
            yield message

    def close(self) -> None:
        """End the connection at once: waiting for a peer that does not read could last for ever."""
        self._writer.transport.abort()


class Server:
    """Listens at `path` for one peer at a time; the newest connection replaces an older one.

    `on_message` is called for each message, `on_connect` with each new peer: send it what it must know. `on_error` is
    told what was wrong with a frame.
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
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            # Not serve_forever: from Python 3.12 on its end waits until every peer has gone.
            server.close()
            if self.peer is not None:
                self.peer.close()

    def send(self, message: AnyMessage) -> None:
        """Send to the present peer, if there is one."""
        if self.peer is not None:
            self.peer.send(message)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        previous, self.peer = self.peer, Peer(reader, writer)
        mine = self.peer
        if previous is not None:
            previous.close()
        try:
            self.on_connect(mine)
            async for message in mine.messages():
                if self.peer is not mine:
                    break  # it was replaced, and what it still says is old
                self.on_message(message)
        except BadFrame as error:
            self.on_error(str(error))
        except asyncio.CancelledError:
            pass  # the process ends; Python 3.11 would report the cancelled task of a connection as an error
        finally:
            if self.peer is mine:
                self.peer = None
            mine.close()


class Client:
    """Connects to `path`, again and again; `on_connect` with each new peer, `on_message` for what it says.

    `on_end` is told why a connection ended.
    """

    def __init__(
        self,
        path: Path,
        on_message: Callable[[AnyMessage], None],
        on_connect: Callable[[Peer], None],
        on_end: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.path, self.on_message, self.on_connect, self.on_end = path, on_message, on_connect, on_end
        self._sleep = sleep
        self.peer: Peer | None = None

    @property
    def connected(self) -> bool:
        return self.peer is not None

    def send(self, message: AnyMessage) -> None:
        if self.peer is not None:
            self.peer.send(message)

    async def run(self) -> None:
        """Stay connected for ever; only a conversation makes the next attempt a quick one."""
        wait = _FIRST_WAIT
        while True:
            if await self._converse():
                wait = _FIRST_WAIT
            await self._sleep(wait)
            wait = min(_LONGEST_WAIT, wait * 2)

    async def _converse(self) -> bool:
        """Connect and talk until the end; returns whether the other side said anything sensible."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
        except OSError:
            return False
        peer = self.peer = Peer(reader, writer)
        heard, why = False, "the other side closed it"
        try:
            self.on_connect(peer)
            async for message in peer.messages():
                heard = True
                self.on_message(message)
        except BadFrame as error:
            heard, why = False, str(error)
        finally:
            self.peer = None
            peer.close()
        self.on_end(why)
        return heard

"""Messages over a Unix socket: framing, garbage, replacement of a peer, coming back."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from speaker.ipc import stream
from speaker.ipc.messages import (
    AnyMessage,
    BgpSnapshot,
    BgpState,
    Counters,
    LinkAnnouncement,
    LinkDelta,
    LinkSnapshot,
    LinkState,
    Peer,
    Route,
    SessionState,
)
from speaker.ipc.stream import BadFrame, Client, Server, encode, read

ANNOUNCEMENT = LinkAnnouncement(address="192.0.2.1", candidates=("a", "b"), interfaces=("eth0",))
PEER = Peer(name="tor", address="192.0.2.254", local_asn=64512, peer_asn=64500, router_id="192.0.2.11", password="x")
MESSAGES = [
    LinkSnapshot(node="a", members=("a", "b"), announcements=(ANNOUNCEMENT,)),
    LinkDelta(changed=(LinkAnnouncement(address="2001:db8::1", candidates=()),), removed=("192.0.2.1",)),
    LinkDelta(members=("a",)),
    LinkState(owned={"192.0.2.1": ("eth0", "eth1")}),
    Counters(values={"heraldlb_layer2_dropped_total": {"NotOurs": 3.0}}),
    BgpSnapshot(peers=(PEER,), routes=(Route(prefix="192.0.2.1/32", peers=("tor",), communities=("65000:1",)),)),
    BgpState(sessions=(SessionState(peer="tor", up=True, routes=2),)),
]
FIRST, SECOND = LinkState(owned={}), LinkState(owned={"192.0.2.1": ("eth0",)})


def received(content: bytes) -> AnyMessage | None:
    """What `read` makes of a stream with this content."""

    async def work() -> AnyMessage | None:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await read(reader)

    return asyncio.run(work())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, with a deadline."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def _no_wait(_: float) -> None:
    await asyncio.sleep(0)


class Talk:
    """A server and what it heard; tests run inside of `asyncio.run`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[AnyMessage] = []
        self.errors: list[str] = []
        self.peers: list[stream.Peer] = []
        self.server = Server(path, self.heard.append, self.peers.append, self.errors.append)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> "Talk":
        self._task = asyncio.create_task(self.server.serve())
        await until(lambda: self.path.exists() and stat.S_IMODE(self.path.stat().st_mode) == 0o660)
        return self

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task], timeout=10)
        assert self._task.done(), "the server does not end"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)


def talking(work: Callable[[Talk], Awaitable[None]], path: Path) -> Talk:
    """Run `work` beside a server."""
    talk = Talk(path / "talk.sock")

    async def main() -> None:
        await talk.start()
        try:
            await work(talk)
        finally:
            await talk.stop()

    asyncio.run(main())
    return talk


# --- framing


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_out_as_it_went_in(message: AnyMessage) -> None:
    assert received(encode(message)) == message


def test_a_frame_is_four_bytes_of_length_and_json_with_its_type() -> None:
    frame = encode(FIRST)
    assert frame == b'\x00\x00\x00\x20{"type":"link-state","owned":{}}'


@pytest.mark.parametrize("length", range(len(encode(FIRST))))
def test_a_stream_cut_at_any_byte_is_its_end_and_no_message(length: int) -> None:
    assert received(encode(FIRST)[:length]) is None


def test_what_follows_a_message_stays_in_the_stream() -> None:
    async def work() -> list[AnyMessage | None]:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(FIRST) + encode(SECOND))
        reader.feed_eof()
        return [await read(reader), await read(reader), await read(reader)]

    assert asyncio.run(work()) == [FIRST, SECOND, None]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "truncated"),
        (b"nonsense", "malformed"),
        (b"{}", "missing required field `type`"),
        (b'{"type":"no-such-message"}', "Invalid value 'no-such-message'"),
        (b'{"type":"link-state"}', "missing required field `owned`"),
        (b'{"type":"link-state","owned":[]}', "Expected `object`"),
        (b'{"type":"link-state","owned":{}} trailing', "trailing"),
        (b'{"type":"link-state","owned":{"\xff":[]}}', "utf-8"),
        (b'{"type":"link-state","owned":{},"more":' + b"[" * 100_000, "recursion"),
    ],
)
def test_a_body_that_is_no_message_says_what_is_wrong_with_it(body: bytes, why: str) -> None:
    with pytest.raises(BadFrame, match="no message"):
        received(len(body).to_bytes(4, "big") + body)
    with pytest.raises(BadFrame) as caught:
        received(len(body).to_bytes(4, "big") + body)
    assert why in str(caught.value)


def test_a_length_above_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BadFrame, match="a frame of 16777217 bytes is longer than 16777216"):
        received((stream.LARGEST + 1).to_bytes(4, "big"))


def test_a_message_above_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LARGEST", 31)
    with pytest.raises(BadFrame, match="a message of 32 bytes is longer than 31"):
        encode(FIRST)


# --- server


def test_only_the_owner_and_the_group_may_use_the_socket(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        assert stat.S_IMODE(talk.path.stat().st_mode) == 0o660

    talking(work, tmp_path)


def test_the_socket_file_of_a_killed_process_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "talk.sock"

    async def killed() -> None:
        server = await asyncio.start_unix_server(lambda _reader, _writer: None, path)
        server.close()

    asyncio.run(killed())
    path.touch()

    async def work(talk: Talk) -> None:
        _, writer = await talk.connect()
        writer.write(encode(SECOND))
        await until(lambda: talk.heard == [SECOND])
        writer.close()

    talking(work, tmp_path)


def test_a_peer_is_heard_and_answered(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        reader, writer = await talk.connect()
        writer.write(encode(FIRST)[:7])
        await writer.drain()
        writer.write(encode(FIRST)[7:] + encode(SECOND))
        await until(lambda: talk.heard == [FIRST, SECOND])
        talk.server.send(SECOND)
        assert await read(reader) == SECOND
        writer.close()
        await until(lambda: talk.server.peer is None)
        talk.server.send(SECOND)  # nobody is there: nothing happens

    assert talking(work, tmp_path).errors == []


def test_garbage_closes_the_connection_and_the_next_one_is_served(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        reader, writer = await talk.connect()
        writer.write(b"\x00\x00\x00\x02{}" + encode(FIRST))
        assert await read(reader) is None
        writer.close()
        _, fresh = await talk.connect()
        fresh.write(encode(SECOND))
        await until(lambda: talk.heard == [SECOND])
        fresh.close()

    talk = talking(work, tmp_path)
    assert len(talk.errors) == 1
    assert "missing required field `type`" in talk.errors[0]


def test_the_newest_connection_replaces_the_older_one(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        old_reader, old = await talk.connect()
        await until(lambda: len(talk.peers) == 1)
        reader, new = await talk.connect()
        await until(lambda: len(talk.peers) == 2)
        assert await read(old_reader) is None
        assert talk.server.peer is talk.peers[1]
        talk.server.send(FIRST)
        assert await read(reader) == FIRST
        for writer in (old, new):
            writer.close()

    talking(work, tmp_path)


def test_a_frozen_peer_with_full_buffers_does_not_keep_the_next_one_out(tmp_path: Path) -> None:
    large = LinkState(owned={f"192.0.2.{number}": ("e" * 10_000,) for number in range(100)})

    async def work(talk: Talk) -> None:
        _, frozen = await talk.connect()
        await until(lambda: talk.server.peer is not None)
        for _ in range(3):
            talk.server.send(large)  # 1 MB each, far more than a socket holds; never read
        reader, fresh = await talk.connect()
        await until(lambda: len(talk.peers) == 2)
        talk.server.send(SECOND)
        async with asyncio.timeout(10):
            assert await read(reader) == SECOND
        for writer in (frozen, fresh):
            writer.close()

    talking(work, tmp_path)


def test_a_peer_that_does_not_read_is_cut_off_before_memory_grows_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_UNSENT", 5_000_000)
    large = LinkState(owned={f"192.0.2.{number}": ("e" * 10_000,) for number in range(100)})

    async def work(talk: Talk) -> None:
        _, frozen = await talk.connect()
        await until(lambda: talk.server.peer is not None)
        for _ in range(8):
            talk.server.send(large)
        await until(lambda: talk.server.peer is None)
        frozen.close()

    talking(work, tmp_path)


def test_the_server_ends_at_once_while_a_peer_is_connected(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        reader, writer = await talk.connect()
        await until(lambda: talk.server.peer is not None)
        await talk.stop()
        assert await read(reader) is None
        writer.close()

    talking(work, tmp_path)


# --- client


class Caller:
    """A client and what it went through. It never sleeps between attempts, and notes how long it would have."""

    def __init__(self, path: Path, greeting: AnyMessage = FIRST) -> None:
        self.heard: list[AnyMessage] = []
        self.ends: list[str] = []
        self.waits: list[float] = []
        self.connections = 0
        self._greeting = greeting
        self.client = Client(path, self.heard.append, self._greet, self.ends.append, self._sleep)

    def _greet(self, peer: stream.Peer) -> None:
        self.connections += 1
        peer.send(self._greeting)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await _no_wait(seconds)


def test_the_client_greets_and_hears(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        caller = Caller(talk.path)
        assert not caller.client.connected
        caller.client.send(SECOND)  # not connected: nothing happens
        task = asyncio.create_task(caller.client.run())
        await until(lambda: talk.heard == [FIRST])
        assert caller.client.connected
        talk.server.send(SECOND)
        await until(lambda: caller.heard == [SECOND])
        caller.client.send(SECOND)
        await until(lambda: talk.heard == [FIRST, SECOND])
        task.cancel()
        await until(lambda: task.done() and talk.server.peer is None)
        assert not caller.client.connected

    talking(work, tmp_path)


def test_the_client_waits_longer_and_longer_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    async def work() -> None:
        caller = Caller(tmp_path / "nobody.sock")
        task = asyncio.create_task(caller.client.run())
        await until(lambda: len(caller.waits) >= 7)
        task.cancel()
        assert caller.waits[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
        assert caller.ends == []

    asyncio.run(work())


def test_the_client_comes_back_quickly_after_a_conversation_and_greets_again(tmp_path: Path) -> None:
    path = tmp_path / "talk.sock"

    async def work() -> None:
        caller = Caller(path)
        task = asyncio.create_task(caller.client.run())
        for round_number in (1, 2):
            talk = await Talk(path).start()
            await until(lambda talk=talk: talk.heard == [FIRST])  # type: ignore[misc]
            talk.server.send(SECOND)
            await until(lambda n=round_number: len(caller.heard) == n)  # type: ignore[misc]
            before = len(caller.waits)
            await talk.stop()
            await until(lambda n=before: len(caller.waits) > n)  # type: ignore[misc]
            assert caller.waits[before] == 0.1
        assert caller.connections == 2
        assert caller.ends == ["the other side closed it"] * 2
        task.cancel()

    asyncio.run(work())


def test_a_server_that_says_nothing_or_garbage_is_not_asked_ten_times_a_second(tmp_path: Path) -> None:
    path = tmp_path / "talk.sock"
    answers = [b"", b"\x00\x00\x00\x02{}", encode(FIRST) + b"\xff\xff\xff\xff", encode(FIRST)]
    connected = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        writer.write(answers[min(connected, 3)])
        connected += 1
        writer.close()

    async def work() -> None:
        server = await asyncio.start_unix_server(answer, path)
        caller = Caller(path)
        task = asyncio.create_task(caller.client.run())
        await until(lambda: len(caller.waits) >= 5)
        task.cancel()
        server.close()
        assert caller.waits[:5] == [0.1, 0.2, 0.4, 0.1, 0.1]
        assert "missing required field" in caller.ends[1]
        assert "longer than" in caller.ends[2]

    asyncio.run(work())

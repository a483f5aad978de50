"""Messages between the processes: all come through whole, and no bytes do harm."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from speaker.ipc.messages import (
    AnyMessage,
    BfdAuthentication,
    BfdKey,
    BfdSession,
    BfdSessions,
    BfdSessionState,
    BfdState,
    Counters,
    LinkAnnouncement,
    LinkDelta,
    LinkSnapshot,
    LinkState,
)
from speaker.ipc.stream import BadFrame, encode, read

words = st.text(max_size=20)
several = st.lists(words, max_size=3).map(tuple)
announcements = st.lists(
    st.builds(LinkAnnouncement, address=words, candidates=several, interfaces=st.none() | several, fresh=st.booleans()),
    max_size=3,
).map(tuple)
keys = st.builds(BfdKey, id=st.integers(0, 255), secret=st.binary(max_size=20))
sessions = st.builds(
    BfdSession,
    name=words,
    peer=words,
    multi_hop=st.booleans(),
    authentication=st.none() | st.builds(BfdAuthentication, kind=words, keys=st.lists(keys, max_size=2).map(tuple)),
)
messages: st.SearchStrategy[AnyMessage] = st.one_of(
    st.builds(LinkSnapshot, node=words, members=several, announcements=announcements),
    st.builds(LinkDelta, changed=announcements, removed=several, members=st.none() | several),
    st.builds(BfdSessions, sessions=st.lists(sessions, max_size=2).map(tuple)),
    st.builds(
        BfdState,
        instance=words,
        sessions=st.lists(st.builds(BfdSessionState, name=words, state=words, failures=st.integers(0, 9))).map(tuple),
    ),
    st.builds(LinkState, owned=st.dictionaries(words, several, max_size=3)),
    st.builds(
        Counters,
        values=st.dictionaries(words, st.dictionaries(words, st.floats(0, 1e15), max_size=2), max_size=2),
    ),
)


def all_of(content: bytes, parts: list[int]) -> list[AnyMessage]:
    """The messages of a stream whose bytes come in parts of these sizes. Raises BadFrame."""

    async def work() -> list[AnyMessage]:
        reader, rest = asyncio.StreamReader(), content
        for size in parts:
            reader.feed_data(rest[:size])
            rest = rest[size:]
        reader.feed_data(rest)
        reader.feed_eof()
        found = []
        while (message := await read(reader)) is not None:
            found.append(message)
        return found

    return asyncio.run(work())


@given(st.lists(messages, max_size=4), st.lists(st.integers(0, 30), max_size=5))
def test_messages_come_through_in_order_however_the_stream_is_cut(sent: list[AnyMessage], parts: list[int]) -> None:
    assert all_of(b"".join(map(encode, sent)), parts) == sent


@given(st.binary(max_size=60))
@example(b"\x00\x00\x00\x02\xff\xfe")
@example(b'\x00\x00\x00\x24{"type":"link-state","owned":{"\xff":0}}')
def test_arbitrary_bytes_are_the_end_of_the_stream_or_a_bad_frame(content: bytes) -> None:
    for frame in (content, len(content).to_bytes(4, "big") + content):
        try:
            found = all_of(frame, [])
        except BadFrame:
            continue
        assert found == [], "random bytes are no message"

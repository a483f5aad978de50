"""Passwords of BGP peers: what is known of Secrets, and what is still open."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lb_controller.kube.errors import Forbidden, NotFound, Unavailable
from speaker.app import secrets as module
from speaker.app.secrets import Passwords

PATH = "/api/v1/namespaces/ours/secrets/"


def secret(password: str) -> bytes:
    return json.dumps({"data": {"password": base64.b64encode(password.encode()).decode()}}).encode()


class Answers:
    """Stands where the API server stands: path -> body or error."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {PATH + name: answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.watched: list[str] = []
        self.changed: asyncio.Queue[bytes] | None = None  # None: nobody may watch

    @asynccontextmanager
    async def watch(self, path: str, query: dict[str, Any], *, silence: float) -> AsyncIterator[Any]:
        assert silence > query["timeoutSeconds"]
        self.watched.append(f"{path}?{query['fieldSelector']}")
        if self.changed is None:
            raise Forbidden(path, 403, "no")
        yield self._changes(self.changed)

    async def _changes(self, changed: asyncio.Queue[bytes]) -> AsyncIterator[list[bytes]]:
        while line := await changed.get():
            yield [line]

    async def get(self, path: str) -> bytes:
        self.asked.append(path)
        answer = self.answers.get(path, NotFound(path, 404, "not found"))
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def reading(answers: Answers, work: Callable[[Passwords, list[int]], Awaitable[None]]) -> None:
    """Run `work` beside the task; its second argument grows with each change."""

    async def main() -> None:
        told: list[int] = []
        passwords = Passwords(answers, "ours", lambda: told.append(1))  # type: ignore[arg-type]
        task = asyncio.create_task(passwords.run())
        try:
            await work(passwords, told)
        finally:
            task.cancel()

    asyncio.run(main())


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(module, "SOON_SECONDS", 0.01)


def test_a_password_is_read_when_a_peer_refers_to_it_and_forgotten_afterwards() -> None:
    async def work(passwords: Passwords, told: list[int]) -> None:
        assert not passwords.open
        passwords.want(["tor"])
        assert passwords.open == {"tor"}
        await until(lambda: passwords.known == {"tor": "s3cret"})
        assert not passwords.open
        assert told
        passwords.want([])
        await until(lambda: passwords.known == {})

    reading(Answers(tor=secret("s3cret")), work)


def test_a_secret_that_does_not_exist_is_an_answer_too_and_is_told() -> None:
    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["missing"])
        await until(lambda: not passwords.open)
        await until(lambda: bool(told))
        assert passwords.known == {}

    reading(Answers(), work)


def test_a_secret_that_may_not_be_read_holds_nothing_up() -> None:
    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["tor"])
        await until(lambda: not passwords.open and bool(told))
        assert passwords.known == {}

    reading(Answers(tor=Forbidden(PATH, 403, "no")), work)


def test_while_the_api_server_does_not_answer_the_question_stays_open_and_is_asked_again() -> None:
    answers = Answers(tor=Unavailable(PATH, 0, "no answer"))

    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["tor"])
        await until(lambda: len(answers.asked) >= 3)
        assert passwords.open == {"tor"}
        assert not told
        answers.answers[PATH + "tor"] = secret("s3cret")
        await until(lambda: passwords.known == {"tor": "s3cret"})

    reading(answers, work)


def test_a_known_password_stays_while_the_api_server_is_away_and_is_followed_afterwards() -> None:
    answers = Answers(tor=secret("old"))

    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["tor"])
        await until(lambda: passwords.known == {"tor": "old"})
        answers.answers[PATH + "tor"] = Unavailable(PATH, 503, "away")
        before = len(answers.asked)
        await until(lambda: len(answers.asked) > before + 2)
        assert passwords.known == {"tor": "old"}
        assert not passwords.open
        answers.answers[PATH + "tor"] = secret("new")
        await until(lambda: passwords.known == {"tor": "new"})
        del answers.answers[PATH + "tor"]
        await until(lambda: passwords.known == {})

    reading(answers, work)


def test_the_same_answer_again_is_not_told_again() -> None:
    answers = Answers(tor=secret("s3cret"))

    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["tor"])
        await until(lambda: len(answers.asked) >= 5)
        assert len(told) == 1

    reading(answers, work)


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":{"other":"eA=="}}'])
def test_a_secret_without_the_key_password_is_as_good_as_none(body: bytes) -> None:
    async def work(passwords: Passwords, told: list[int]) -> None:
        passwords.want(["tor"])
        await until(lambda: not passwords.open)
        assert passwords.known == {}

    reading(Answers(tor=body), work)


def test_a_change_is_followed_at_once_where_the_secret_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 3600.0)
    answers = Answers(tor=secret("old"))

    async def work(passwords: Passwords, told: list[int]) -> None:
        answers.changed = asyncio.Queue()
        passwords.want(["tor"])
        await until(lambda: passwords.known == {"tor": "old"})
        answers.answers[PATH + "tor"] = secret("new")
        answers.changed.put_nowait(b"{}")
        await until(lambda: passwords.known == {"tor": "new"})
        answers.changed.put_nowait(b"")  # the watch ends, and the next one follows it
        await until(lambda: len(answers.watched) == 2)
        assert set(answers.watched) == {PATH.rstrip("/") + "?metadata.name=tor"}
        answers.answers[PATH + "tor"] = secret("newer")
        answers.changed.put_nowait(b"{}")
        await until(lambda: passwords.known == {"tor": "newer"})

    reading(answers, work)


def test_a_secret_that_nobody_refers_to_is_not_watched_any_more() -> None:
    answers = Answers(tor=secret("old"))

    async def work(passwords: Passwords, told: list[int]) -> None:
        answers.changed = asyncio.Queue()
        passwords.want(["tor"])
        await until(lambda: len(answers.watched) == 1)
        passwords.want([])
        await until(lambda: not any(task.get_name() == "secret tor" for task in asyncio.all_tasks()))

    reading(answers, work)

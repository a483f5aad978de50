"""Passwords of BGP peers: Secrets of our own namespace, read when a peer refers to them, and whenever they change.

A watch of each Secret says that something changed; where there is none (no right to it, the API server away), the
Secret is read again every minute.
"""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Iterable

import msgspec

from lb_controller.kube.client import Api, Query
from lb_controller.kube.errors import ApiError, Forbidden, NotFound
from lb_controller.kube.resources import Resource
from lb_controller.runtime.logging import logger

AGAIN_SECONDS = 60.0
SOON_SECONDS = 2.0  # after an answer that did not come
WATCH_SECONDS = 300
SILENCE_SECONDS = WATCH_SECONDS + 30.0  # without a byte: the watch is dead
log = logger()


class _Secret(msgspec.Struct):
    """The keys of a Secret, base64."""

    data: dict[str, str] | None = None


class Passwords:
    """Secret name -> password, for the names wanted last; `on_change` is called when an answer says something new."""

    def __init__(self, api: Api, namespace: str, on_change: Callable[[], None]) -> None:
        self.known: dict[str, str] = {}
        self._api, self._on_change = api, on_change
        self._secrets = Resource("", "v1", "secrets", namespace)
        self._wanted: frozenset[str] = frozenset()
        self._answered: frozenset[str] = frozenset()
        self._failed: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._watches: dict[str, asyncio.Task[None]] = {}

    @property
    def open(self) -> frozenset[str]:
        """The Secrets of which the API server said nothing yet, neither their content nor that they do not exist."""
        return self._wanted - self._answered

    def want(self, names: Iterable[str]) -> None:
        """These Secrets are referred to now."""
        wanted = frozenset(names)
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    async def run(self) -> None:
        """Keep the passwords fresh for ever."""
        try:
            while True:
                self._wake.clear()
                self._watch_wanted(self._wanted)
                await self._read_all()
                again = SOON_SECONDS if self._failed else AGAIN_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), again if self._wanted else None)
        finally:
            self._watch_wanted(frozenset())

    def _watch_wanted(self, wanted: frozenset[str]) -> None:
        for name in self._watches.keys() - wanted:
            self._watches.pop(name).cancel()
        for name in wanted - self._watches.keys():
            self._watches[name] = asyncio.create_task(self._watch(name), name=f"secret {name}")

    async def _watch(self, name: str) -> None:
        """Wake the reader with each change of the Secret, and with its state when a watch begins."""
        query: Query = {"fieldSelector": f"metadata.name={name}", "timeoutSeconds": WATCH_SECONDS}
        while True:
            try:
                async with self._api.watch(self._secrets.path, query, silence=SILENCE_SECONDS) as events:
                    async for _ in events:
                        self._wake.set()
            except ApiError as error:
                log.debug("secret_not_watched", secret=name, error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _read_all(self) -> None:
        found, answered, failed = {}, set(), set()
        for name in sorted(self._wanted):
            try:
                password = await self._read(name)
                answered.add(name)
            except ApiError as error:
                if name not in self._failed:
                    log.warning("secret_unreadable", secret=name, error=str(error))
                failed.add(name)
                if name in self._answered or isinstance(error, Forbidden):
                    answered.add(name)
                password = self.known.get(name)  # what was known stays while the API is away
            if password is not None:
                found[name] = password
        new = found != self.known or not answered <= self._answered
        self.known, self._answered, self._failed = found, frozenset(answered), frozenset(failed)
        if new:
            self._on_change()

    async def _read(self, name: str) -> str | None:
        try:
            body = await self._api.get(self._secrets.object_path(self._secrets.namespace, name))
        except NotFound:
            return None
        encoded = (msgspec.json.decode(body, type=_Secret).data or {}).get("password")
        return None if encoded is None else base64.b64decode(encoded).decode(errors="replace")

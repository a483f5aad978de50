"""Following one resource for ever: list, then watch; the last state stays while the API server is away.

    list --ok--> watch --closed by the server--> watch again from the last resourceVersion
      ^            |  410 (status or in-band ERROR): list anew; the difference holds deletions missed meanwhile
      +----wait----+  any other failure: wait 0.5 to 30 s, jittered, then go on; list anew after the third in a row

A watch asks for bookmarks, so a stream without a byte for `silence` seconds is dead and is opened again. A resource
that does not exist (its CRD is not installed) is empty and synced, and asked for again every `missing_retry` seconds;
when it had objects before, only the third answer in a row that it does not exist empties it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from lb_controller.kube.client import Api, Query
from lb_controller.kube.errors import ApiError, Gone, NotFound, decode_status, error_of
from lb_controller.kube.resources import Resource
from lb_controller.kube.store import Change, Entry, Key, Store, WatchEvent, decode_event, decode_page, meta_of
from lb_controller.kube.waits import wait_after

T = TypeVar("T")
_PAGE = 500
_CERTAIN_ABSENCES = 3
# A watch that ends sooner than this without an event is a failure: opening it again at once would be a busy loop.
_TOO_SHORT_SECONDS = 1.0
_STEADY_SECONDS = 5.0
# A resourceVersion from before a restored backup is never served again; a list cures that and costs little.
_FAILURES_BEFORE_LIST = 3


async def pages(
    api: Api, resource: Resource, query: Query | None = None
) -> AsyncIterator[tuple[list[msgspec.Raw], str]]:
    """All objects, a page at a time, undecoded, each with the list's resourceVersion.

    Raises ApiError (Gone if it took too long): then what was given so far is no list. Keep values, not the text: of
    10,000 Services it is some 30 MB.
    """
    words: dict[str, str | int | bool] = {**(query or {}), "limit": _PAGE}
    while True:
        page = decode_page(await api.get(resource.path, words))
        yield page.items or [], page.metadata.resource_version
        if not page.metadata.continue_:
            return
        words["continue"] = page.metadata.continue_


class Reflector(Generic[T]):
    """The objects of one resource as values; `run` keeps them fresh and calls `on_change` for each that changed.

    `older`: the same resource in an older version, which is followed where the first is not served.
    """

    def __init__(  # noqa: PLR0913 - what to follow, and how
        self,
        api: Api,
        resource: Resource,
        read: Callable[[msgspec.Raw], T],
        on_change: Callable[[Key, T | None], None],
        *,
        field_selector: str = "",
        label_selector: str = "",
        silence: float = 90.0,
        missing_retry: float = 15.0,
        older: Resource | None = None,
    ) -> None:
        self._api, self.resource, self._on_change = api, resource, on_change
        self._newest, self._older = resource, older
        selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
        self._query = {name: text for name, text in selectors.items() if text}
        self._silence, self._missing_retry = silence, missing_retry
        self._store: Store[T] = Store(read)
        self._failures = 0
        self._log = structlog.get_logger().bind(resource=str(resource))
        self._version = ""
        self._absences = 0
        self.synced = asyncio.Event()
        self.failing: str | None = None

    @property
    def store(self) -> dict[Key, T]:
        """The known objects; do not change it."""
        return self._store.objects

    @property
    def unreadable(self) -> dict[Key, str]:
        """Objects that could not be decoded, and why; what was known of them before still stands in `store`."""
        return self._store.unreadable

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                self._prefer_newest()
            except Gone:
                self._log.info("list_anew", since=self._version)
                self._version = ""
                await self._wait_if_again()
            except NotFound as error:
                if self._turn_to_older():
                    continue
                self._take_absence(error)
                await asyncio.sleep(self._missing_retry * (0.75 + random.random() / 2))
            except ApiError as error:
                await self._wait(str(error), error.retry_after or 0.0)
            except msgspec.DecodeError as error:
                await self._wait(f"the answer is no JSON of this resource: {error}", 0.0)

    def _turn_to_older(self) -> bool:
        """Whether the older version is still to be tried."""
        turned = self._older is not None and self.resource is self._newest
        self.resource = self._older if turned and self._older is not None else self._newest
        self._version = ""
        return turned

    def _prefer_newest(self) -> None:
        """An upgrade may have brought the newest version; its fields are more."""
        if self.resource is not self._newest:
            self.resource, self._version = self._newest, ""

    async def _list(self) -> None:
        entries: list[Entry[T]] = []
        version = ""
        async for items, version in pages(self._api, self.resource, self._query):  # noqa: B007 - the last one counts
            entries += self._store.read_items(items)
        self._tell(self._store.replace(entries))
        for key, why in self._store.unreadable.items():
            self._log.warning("object_unreadable", key="/".join(key), why=why)
        self._version = version
        self._note_success()
        self.synced.set()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        begin, events = loop.time(), 0
        words: Query = {
            **self._query,
            "resourceVersion": self._version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": 300 + random.randrange(300),  # spread, so that watches are not all opened anew at once
        }
        async with self._api.watch(self.resource.path, words, silence=self._silence) as batches:
            self._note_success()
            async for batch in batches:
                events += len(batch)
                for line in batch:
                    self._take(decode_event(line))
        if loop.time() - begin > _STEADY_SECONDS:
            self._failures = 0
        if events == 0 and loop.time() - begin < _TOO_SHORT_SECONDS:
            self._failures += 1
            await asyncio.sleep(wait_after(self._failures))

    def _take(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            status = decode_status(bytes(event.object))
            raise error_of(f"WATCH {self.resource.path}", status.code, status.message)
        if event.type != "BOOKMARK":
            self._tell(self._store.apply(event))
        self._version = meta_of(event.object).resource_version
        self._failures = 0

    def _tell(self, changes: list[Change[T]]) -> None:
        for change in changes:
            self._on_change(change.key, change.value)

    def _take_absence(self, error: NotFound) -> None:
        self._version = ""
        self._absences += 1
        if self._store.objects and self._absences < _CERTAIN_ABSENCES:
            self._note_failure(str(error))
            return
        if self._absences == 1 or self._store.objects:
            self._log.info("resource_missing", retry_seconds=self._missing_retry)
        self._tell(self._store.clear())
        self.failing = None
        self.synced.set()

    async def _wait_if_again(self) -> None:
        """The first list anew goes at once; one after another does not."""
        self._failures += 1
        if self._failures > 1:
            await asyncio.sleep(wait_after(self._failures - 1))

    async def _wait(self, why: str, at_least: float) -> None:
        self._note_failure(why)
        self._failures += 1
        if self._failures >= _FAILURES_BEFORE_LIST:
            self._version = ""
        await asyncio.sleep(max(wait_after(self._failures), at_least))

    def _note_failure(self, why: str) -> None:
        if self.failing is None:
            self._log.warning("watch_failing", why=why, objects=len(self._store.objects))
        self.failing = why

    def _note_success(self) -> None:
        self._absences = 0
        if self.failing is not None:
            self._log.info("watch_recovered", objects=len(self._store.objects))
            self.failing = None

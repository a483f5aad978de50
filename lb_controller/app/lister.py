"""Full lists of every input: at the start, when this replica begins to lead, when kopf began anew, and now and then.

A list is the barrier before the first decision and the cure for what a watch lost. A resource whose CRD is not
installed counts as listed and empty; it is asked for more often until it appears, and then kopf must look again too.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from lb_controller.app.inputs import FIELD_SELECTORS, Sources, Value, from_json
from lb_controller.app.observed import Key, Sighting
from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, NotFound
from lb_controller.kube.reflector import pages
from lb_controller.kube.store import meta_of
from lb_controller.model import names
from lb_controller.runtime.backoff import Backoff
from lb_controller.runtime.logging import logger

_MISSING_RETRY_SECONDS = 10.0
_FOREIGN_RETRY_SECONDS = 60.0  # what belongs to others may well never come
_FOREIGN_TRIES = 3
_AT_ONCE = 200  # objects parsed before others get their turn


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects of one source as of `version`; those of `unread` exist but could not be read."""

    source: str
    items: list[Sighting[Value]]
    version: int
    unread: list[Key]


@dataclass(frozen=True, slots=True)
class AllListed:
    """Every source was listed in the round that began as number `number`."""

    number: int


class Lister:
    """Lists in rounds; `report` takes each result, `appeared` is called when a missing resource is there."""

    def __init__(
        self,
        api: Api,
        sources: Sources,
        every: float,
        report: Callable[[Listed | AllListed], None],
        appeared: Callable[[], None],
    ) -> None:
        self._api, self._sources, self._every, self._report, self._appeared = api, sources, every, report, appeared
        self._wanted = 1
        self._wake = asyncio.Event()
        self._missing: set[str] = set()
        self._listed: set[str] = set()
        self._last = dict.fromkeys(sources, (0, 0))  # how often it was listed, and the version
        self._came = asyncio.Event()
        self._log = logger(part="lister")
        self.failing: str | None = None

    def poke(self) -> int:
        """Ask for a round that begins after now; returns a number that such a round's AllListed reaches."""
        self._wanted += 1
        self._wake.set()
        return self._wanted

    async def listed(self, source: str, after: int = 0) -> tuple[int, int]:
        """Number (from 1) and resourceVersion of a list of the source with a number larger than `after`.

        After the first round it lists by itself: a round may be held up by another source.
        """
        if 0 < self._last[source][0] <= after:
            await self._until_listed(source)
        while self._last[source][0] <= after:
            await self._came.wait()
        return self._last[source]

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            self._wake.clear()
            number = self._wanted
            for source in self._sources:
                await self._until_listed(source)
            self._report(AllListed(number))
            await self._pause()

    async def _pause(self) -> None:
        """Until poked or the next round is due; meanwhile ask for missing resources, one of each group."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._every * (0.9 + random.random() / 5)
        while (left := due - loop.time()) > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), min(left, self._retry()))
            except TimeoutError:
                for source in self._one_of_each_group():
                    await self._until_listed(source)
                    if source not in self._missing:
                        return
            else:
                return

    def _retry(self) -> float:
        if not self._missing:
            return float("inf")
        ours = any(self._sources[source].group == names.GROUP for source in self._missing)
        return _MISSING_RETRY_SECONDS if ours else _FOREIGN_RETRY_SECONDS

    def _one_of_each_group(self) -> list[str]:
        """CRDs of one group come together, or nearly so: when one has come, all are listed."""
        return list({self._sources[source].group: source for source in sorted(self._missing)}.values())

    async def _until_listed(self, source: str) -> None:
        backoff = Backoff(random.random, most=5.0)
        while True:
            try:
                await self._list(source)
            except (ApiError, msgspec.DecodeError) as error:
                if self.failing is None:
                    self._log.warning("list_failing", kind=source, why=str(error))
                self.failing = str(error)
                asked = error.retry_after if isinstance(error, ApiError) else None
                await asyncio.sleep(max(backoff.next(), asked or 0.0))
                if backoff.failures >= _FOREIGN_TRIES and self._dispensable(source):
                    self._do_without(source)
                    return
            else:
                self.failing = None
                return

    def _dispensable(self, source: str) -> bool:
        """Whether addresses can be assigned without it: a broken conversion webhook of MetalLB must not hinder that."""
        group, _, kind = source.rpartition("/")
        return group == names.METALLB_GROUP and kind != names.KIND_IP_ADDRESS_POOL

    def _do_without(self, source: str) -> None:
        self._log.warning("list_left_out", kind=source, why=self.failing)
        self.failing = None
        if source not in self._listed:
            self._listed.add(source)
            self._report(Listed(source, [], 0, []))

    async def _list(self, source: str) -> None:
        query = {"fieldSelector": FIELD_SELECTORS[source]} if source in FIELD_SELECTORS else None
        found = Listed(source, [], 0, [])
        try:
            async for raws, version in pages(self._api, self._sources[source], query):
                await self._read(found, raws)
                found = replace(found, version=int(version))
        except NotFound:
            if source not in self._missing:
                self._log.info("resource_missing", kind=source)
            self._missing.add(source)
            self._report(Listed(source, [], 0, []))
            return
        self._listed.add(source)
        self._report(found)
        self._last[source] = self._last[source][0] + 1, found.version
        self._came.set()
        self._came = asyncio.Event()
        if source in self._missing:
            self._missing.discard(source)
            self._log.info("resource_appeared", kind=source)
            self._appeared()

    async def _read(self, found: Listed, raws: list[msgspec.Raw]) -> None:
        """Add the objects of one page."""
        for index, raw in enumerate(raws):
            if index % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            try:
                found.items.append(from_json(found.source, raw))
            except ValueError as error:
                meta = meta_of(raw)
                found.unread.append((meta.namespace, meta.name))
                self._log.warning("object_unreadable", kind=found.source, name=meta.name, why=str(error))

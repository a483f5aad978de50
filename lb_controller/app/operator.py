"""kopf: the watches. Its handlers turn an event into a value and hand it over; nothing is decided or written here.

kopf runs in a thread with an event loop of its own: it installs signal handlers on its loop, cancels every task of the
loop when it ends, and takes 2 ms an event; none of it may touch the loop that assigns and writes. How it is tamed:
- only `on.event`, with storages that store nothing: other handlers would write annotations and finalizers to Services;
- back-offs without end: its default gives up after a minute of 5xx and ends the operator;
- it lists nothing: its lists tell of no deletion, and of 10,000 Services they leave a hundred megabytes behind. A watch
  begins at the version of our own last list; where the API server has forgotten that one, a new list is asked for;
- it runs again when it ends all the same (an in-band watch ERROR does that), after a full list;
- no index and no worker limit: the one is quadratic, the other deadlocks; and no memory of objects, which grows.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import kopf
from kopf._cogs.clients import fetching
from kopf._cogs.structs import references
from kopf._core.reactor import inventory

from lb_controller.app.inputs import FIELD_SELECTORS, SOURCES, Sources, Value, from_mapping
from lb_controller.app.observed import Key, Sighting
from lb_controller.app.webhook import Ask, WebhookServer, register
from lb_controller.kube.client import configuration
from lb_controller.kube.resources import Resource
from lb_controller.runtime.logging import logger

_PAUSE_SECONDS = 1.0

Admission = tuple[WebhookServer, Ask]
Seen = Callable[[str, Sighting[Value], bool], None]
Known = Callable[[str, Key], int]
# (source, number of the list known) -> number and resourceVersion of a later one.
AfterList = Callable[[str, int], Coroutine[Any, Any, tuple[int, int]]]


class _Endless:
    """0.5, 1, 2, 3, 3, 3 ... seconds."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1, 2)
        yield from itertools.repeat(3)


class _NoDiff(kopf.DiffBaseStorage):
    """Remembers nothing about an object, so nothing is compared or stored."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """Stores no progress of handlers in objects."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass

    def purge(self, **_: Any) -> None:
        pass

    def touch(self, **_: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


class _NoMemories(inventory.ResourceMemories):
    """Remembers nothing about an object: it would be 8 KB for each, of use to other kinds of handlers only."""

    async def recall(self, raw_body: Any, **words: Any) -> inventory.ResourceMemory:
        return await super().recall(raw_body, **{**words, "ephemeral": True})


class Operator:
    """The kopf operator in its thread. `seen(source, sighting, gone)` and `restarted()` are called on the main loop.

    `known` gives the version at which an object is known already, 0 if it is not: it is called in the thread.
    """

    def __init__(  # noqa: PLR0913 - what it watches, whom it tells, and what it needs for that
        self,
        kubeconfig: Path | None,
        sources: Sources,
        seen: Seen,
        restarted: Callable[[], None],
        *,
        known: Known,
        listed: AfterList,
        admission: Admission | None = None,
    ) -> None:
        self._kubeconfig, self._sources, self._seen, self._restarted = kubeconfig, sources, seen, restarted
        self._known, self._listed, self._admission = known, listed, admission
        self._news: deque[tuple[str, Sighting[Value], bool]] = deque()
        self._begun_at: dict[str, int] = {}  # source -> number of the list that its watch began at
        self._main = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._ended = asyncio.Event()
        self._again: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._log = logger(part="operator")

    async def run(self) -> None:
        """Watch until `stop`. Raises RuntimeError if the thread ends by itself: without watches nothing is in time."""
        # It warns that it leaves signals alone, which is what we want of it; and calls every denied change an error.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        logging.getLogger("kopf.objects").setLevel(logging.CRITICAL)
        # Resources that do not exist are told by the Lister, once.
        logging.getLogger("kopf._core.reactor.observation").setLevel(logging.ERROR)
        self._thread.start()
        await self._ended.wait()
        if not self._stopping.is_set():
            raise RuntimeError("the thread of the kopf operator ended")
        await asyncio.Event().wait()  # stopped on purpose: the process is leaving

    def restart(self) -> None:
        """End the running operator and begin anew: it looks only at its start which resources exist."""
        self._again()

    async def stop(self, seconds: float) -> None:
        """End the operator, waiting at most `seconds`."""
        self._stopping.set()
        self._again()
        await asyncio.to_thread(self._thread.join, seconds)

    def _run(self) -> None:
        try:
            asyncio.run(self._supervise())
        finally:
            with contextlib.suppress(RuntimeError):  # the main loop is closed already
                self._main.call_soon_threadsafe(self._ended.set)

    async def _supervise(self) -> None:
        registry, settings = self._registry(), _settings()
        if self._admission is not None:
            settings.admission.server, ask = self._admission
            register(registry, ask)
        fetching.fetch_objs = self._begin_at_our_list
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            flag = asyncio.Event()

            def again(flag: asyncio.Event = flag) -> None:
                loop.call_soon_threadsafe(flag.set)

            self._again = again
            self._begun_at.clear()  # the last list will do: what changed since is told by the watch
            try:
                await kopf.operator(
                    registry=registry,
                    settings=settings,
                    memories=_NoMemories(),
                    clusterwide=True,
                    standalone=True,
                    stop_flag=flag,
                )
            except Exception as error:
                self._log.warning("operator_ended", why=str(error) or type(error).__name__)
            if not self._stopping.is_set():
                self._main.call_soon_threadsafe(self._restarted)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _begin_at_our_list(
        self, *, resource: references.Resource, **_: Any
    ) -> AsyncIterator[tuple[list[Any], str]]:
        """In the place of kopf's list: no object, and the version that the watch begins at."""
        names = (resource.group, resource.version, resource.plural)
        [source] = [name for name, it in self._sources.items() if (it.group, it.version, it.plural) == names]
        later = asyncio.run_coroutine_threadsafe(self._listed(source, self._begun_at.get(source, 0)), self._main)
        self._begun_at[source], version = await asyncio.wrap_future(later)
        yield [], str(version)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: Any) -> kopf.ConnectionInfo:
            return await _connection(self._kubeconfig)

        kopf.on.login(registry=registry)(login)
        for source, resource in self._sources.items():
            self._watch(registry, source, resource)
        return registry

    def _watch(self, registry: kopf.OperatorRegistry, source: str, resource: Resource) -> None:
        def is_news(event: Mapping[str, Any], **_: Any) -> bool:
            # The watch is on all namespaces: kopf knows no narrower one for a single resource.
            found = event["object"].get("metadata", {})
            namespace, version = found.get("namespace", ""), found.get("resourceVersion", "")
            if resource.namespace not in ("", namespace):
                return False
            # What the answer to our own write said already costs a third when it is not handled.
            key = (namespace, found.get("name", ""))
            return event["type"] == "DELETED" or not version.isdecimal() or int(version) > self._known(source, key)

        async def on_event(event: Mapping[str, Any], **_: Any) -> None:
            self._hand_over(source, event)

        id_ = f"watch-{source.replace('/', '-')}"
        where = (resource.group, resource.version, resource.plural)
        kopf.on.event(*where, registry=registry, id=id_, when=is_news)(on_event)

    def _hand_over(self, source: str, event: Mapping[str, Any]) -> None:
        try:
            sighting = from_mapping(source, event["object"])
        except ValueError as error:
            metadata = event["object"].get("metadata", {})
            self._log.warning("object_unreadable", kind=source, name=metadata.get("name"), why=str(error))
            return
        self._news.append((source, sighting, event["type"] == "DELETED"))
        if len(self._news) == 1:  # the main loop was not woken yet
            self._main.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        """On the main loop: waking it costs more than an event, so what comes meanwhile goes along."""
        while self._news:
            self._seen(*self._news.popleft())


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.process.ultimate_exiting_timeout = None
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.3
    settings.networking.error_backoffs = _Endless()
    settings.networking.connect_timeout = 5
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = _NoProgress()
    for source, selector in FIELD_SELECTORS.items():
        # Item by item: a plain dict in its place breaks the watcher.
        settings.watching.field_selectors[SOURCES[source].plural] = selector
    return settings


async def _connection(kubeconfig: Path | None) -> kopf.ConnectionInfo:
    found = await configuration(kubeconfig)
    header = await found.get_api_key_with_prefix("BearerToken")
    scheme, _, token = (header or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        scheme=scheme.capitalize() or None,
        token=token or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
    )

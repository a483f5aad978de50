"""Passwords of BGP peers: Secrets of our own namespace, read when a peer refers to them, and again every minute."""

import asyncio
import base64
from collections.abc import Callable, Iterable

import msgspec

from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, NotFound
from lb_controller.kube.resources import Resource
from lb_controller.runtime.logging import logger

AGAIN_SECONDS = 60.0
log = logger()


class _Secret(msgspec.Struct):
    """The keys of a Secret, base64."""

    data: dict[str, str] | None = None


class Passwords:
    """Secret name -> password, for the names wanted last; `on_change` is called when one changed."""

    def __init__(self, api: Api, namespace: str, on_change: Callable[[], None]) -> None:
        self.known: dict[str, str] = {}
        self._api, self._on_change = api, on_change
        self._secrets = Resource("", "v1", "secrets", namespace)
        self._wanted: frozenset[str] = frozenset()
        self._wake = asyncio.Event()

    def want(self, names: Iterable[str]) -> None:
        """These Secrets are referred to now."""
        wanted = frozenset(names)
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    async def run(self) -> None:
        """Keep the passwords fresh for ever."""
        while True:
            await self._read_all()
            try:
                await asyncio.wait_for(self._wake.wait(), AGAIN_SECONDS if self._wanted else None)
            except TimeoutError:
                continue
            self._wake.clear()

    async def _read_all(self) -> None:
        found = {}
        for name in sorted(self._wanted):
            try:
                password = await self._read(name)
            except ApiError as error:
                log.warning("secret_unreadable", secret=name, error=str(error))
                password = self.known.get(name)  # what was known stays while the API is away
            if password is not None:
                found[name] = password
        if found != self.known:
            self.known = found
            self._on_change()

    async def _read(self, name: str) -> str | None:
        try:
            body = await self._api.get(self._secrets.object_path(self._secrets.namespace, name))
        except NotFound:
            return None
        encoded = (msgspec.json.decode(body, type=_Secret).data or {}).get("password")
        return None if encoded is None else base64.b64decode(encoded).decode(errors="replace")

"""Requests to the API server: JSON bytes in and out, with the official client's authentication and TLS.

`kubernetes.aio` reads kubeconfig or the pod's service account, keeps tokens fresh and holds the connections; its models
are left aside, since decoding 10,000 Services through them takes ten times as long as through msgspec. Errors are those
of `kube.errors`. Watches live on the same connections and are never cut by a total timeout, only by silence.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config

from lb_controller.kube.errors import ApiError, Unauthorized, Unavailable, decode_status, error_of

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_JSON = "application/json"
_CONNECT_SECONDS = 5.0
_RELOGIN_SECONDS = 10.0

Query = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Query
    body: Mapping[str, Any] | None = None
    form: str = _JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Api:
    """One API server. Made by `connect`; every method raises ApiError."""

    def __init__(self, raw: client.ApiClient, kubeconfig: Path | None, *, within: float) -> None:
        self._raw = raw
        self._kubeconfig = kubeconfig
        self._within = within
        self._logged_in_at = time.monotonic()

    async def get(self, path: str, query: Query | None = None) -> bytes:
        """The object or list at `path`."""
        return await self._call(_Request("GET", path, query or {}))

    async def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Create an object."""
        return await self._call(_Request("POST", path, {}, body))

    async def put(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Replace an object; conditional when the body's metadata has a resourceVersion."""
        return await self._call(_Request("PUT", path, {}, body))

    async def delete(self, path: str) -> bytes:
        """Delete an object."""
        return await self._call(_Request("DELETE", path, {}))

    async def apply(self, path: str, body: Mapping[str, Any], *, manager: str) -> bytes:
        """Server-side apply with force; conditional when the body's metadata has a resourceVersion."""
        query: Query = {"fieldManager": manager, "force": True}
        return await self._call(_Request("PATCH", path, query, body, APPLY))

    async def patch(self, path: str, body: Mapping[str, Any], *, manager: str) -> bytes:
        """JSON merge patch."""
        return await self._call(_Request("PATCH", path, {"fieldManager": manager}, body, MERGE))

    @asynccontextmanager
    async def watch(self, path: str, query: Query, *, silence: float) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """A watch: batches of JSON lines as they arrive. Raises Unavailable after `silence` seconds without a byte."""
        request = _Request("GET", path, {**query, "watch": True})
        # Only reading is bounded: a healthy watch lasts for minutes.
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        with _NetworkErrors(request):
            response = await self._send(request, limits)
        try:
            await self._check(request, response)
            yield _lines(request, response)
        finally:
            response.close()

    async def _call(self, request: _Request) -> bytes:
        limits = aiohttp.ClientTimeout(total=self._within, sock_connect=_CONNECT_SECONDS)
        with _NetworkErrors(request):
            response = await self._send(request, limits)
            try:
                await self._check(request, response)
                return await response.read()
            finally:
                response.release()

    async def _send(self, request: _Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        words = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in request.query.items()
        }
        target = f"{request.path}?{urlencode(words)}" if words else request.path
        headers = {"Accept": _JSON, "Content-Type": request.form}
        parts = await self._raw.param_serialize(
            request.method, target, header_params=headers, body=request.body, auth_settings=["BearerToken"]
        )
        answer = await self._raw.call_api(*parts, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _check(self, request: _Request, response: aiohttp.ClientResponse) -> None:
        if response.status < 400:
            return
        status = decode_status(await response.read())
        error = error_of(str(request), response.status, status.message, retry_after=_seconds(response))
        if isinstance(error, Unauthorized):
            await self._log_in_again()
        raise error

    async def _log_in_again(self) -> None:
        """Read the credentials anew, at most every few seconds: exec plugins and rotated files give new tokens."""
        if self._kubeconfig is None or time.monotonic() - self._logged_in_at < _RELOGIN_SECONDS:
            return
        self._logged_in_at = time.monotonic()
        fresh = await configuration(self._kubeconfig)
        self._raw.configuration.api_key = fresh.api_key
        self._raw.configuration.refresh_api_key_hook = fresh.refresh_api_key_hook


@asynccontextmanager
async def connect(kubeconfig: Path | None, *, within: float = 15.0, connections: int = 128) -> AsyncIterator[Api]:
    """An Api for the length of the block: by `kubeconfig`, or without one by the pod's service account.

    `within`: seconds for a whole request. Raises LoginError with a sentence when there are no usable credentials.
    """
    found = await configuration(kubeconfig)
    found.proxy = found.proxy or _proxy(found.host)
    # Left to itself the session asks the environment for proxies and ~/.netrc, in a thread, for every single request.
    found.client_session_kwargs = {"trust_env": False}
    found.retries = None  # who retries, and when, is decided by the caller
    found.connection_pool_maxsize = connections
    async with client.ApiClient(configuration=found) as raw:
        raw.user_agent = "heraldlb"
        yield Api(raw, kubeconfig, within=within)


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for the server (HTTPS_PROXY, NO_PROXY)."""
    parts = urlsplit(server)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


class LoginError(Exception):
    """No usable credentials for the API server; the message says what was looked for."""


async def configuration(kubeconfig: Path | None) -> client.Configuration:
    """Server address, TLS files and token, read anew. Raises LoginError."""
    found = client.Configuration()
    try:
        if kubeconfig is not None:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=found, persist_config=False
            )
        else:
            config.load_incluster_config(found)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        where = f"kubeconfig {kubeconfig}" if kubeconfig else "no kubeconfig given, and this is no pod"
        raise LoginError(f"cannot log in to the API server ({where}): {error}") from error
    return found


class _NetworkErrors:
    """Turns what the network throws into Unavailable."""

    def __init__(self, request: _Request) -> None:
        self._request = str(request)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, asyncio.TimeoutError):
            raise Unavailable(self._request, 0, "no answer in time") from error
        if isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, ApiError):
            raise Unavailable(self._request, 0, str(error) or type(error).__name__) from error


async def _lines(request: _Request, response: aiohttp.ClientResponse) -> AsyncIterator[list[bytes]]:
    """Whole lines; what one read brings together comes as one batch."""
    rest = b""
    with _NetworkErrors(request):
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield [line for line in lines if line]


def _seconds(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None

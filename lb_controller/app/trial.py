"""`python -m lb_controller.app.trial`: the check behind `helm test`. It does what a user does, once, and cleans up.

A Service of type LoadBalancer is made for the controller's own /healthz; it must get an address, a speaker must own the
address or send a route for it, and the address must answer. Every step that fails is one sentence on stdout and exit
status 1. Whether an address is announced is read from the speakers' metrics, because a pod cannot ask the LAN: its
node's kube-proxy would answer for the address itself.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from lb_controller.kube.client import Api, LoginError, connect
from lb_controller.kube.errors import ApiError, NotFound
from lb_controller.kube.resources import SERVICES, Resource
from lb_controller.model import names
from lb_controller.runtime.settings import read, setting

NAME = "heraldlb-test"
ANNOUNCED = ("heraldlb_layer2_owned_addresses", "heraldlb_bgp_announced_prefixes")
_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """Makes a Service, waits for its address and announcement, asks for an answer, and removes it."""

    namespace: str = setting("heraldlb-system", help="namespace of HeraldLB")
    speaker_metrics_port: int = setting(9471, help="port of the speakers' /metrics", minimum=1, maximum=65535)
    load_balancer_class: str = setting("heraldlb.io/heraldlb", help="spec.loadBalancerClass of the Service")
    pool: str = setting("", help="name of the pool to take the address from; any without it")
    within_seconds: float = setting(60.0, help="seconds to wait for each step", minimum=1, maximum=600)
    kubeconfig: Path | None = setting(None, help="kubeconfig file; without one, the pod's service account")


class Failed(Exception):
    """A step failed; the message is for the user."""


def service(settings: TrialSettings) -> dict[str, Any]:
    """The Service that is tried: the address leads to /healthz of a controller."""
    annotations = {names.ANNOTATION_ADDRESS_POOL[0]: settings.pool} if settings.pool else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "annotations": annotations, "labels": {"app.kubernetes.io/name": "heraldlb"}},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": settings.load_balancer_class,
            "allocateLoadBalancerNodePorts": False,
            "selector": {"app.kubernetes.io/name": "heraldlb", "app.kubernetes.io/component": "controller"},
            "ports": [{"port": 80, "targetPort": "metrics"}],
        },
    }


def address_of(found: dict[str, Any]) -> tuple[str, str]:
    """The first address in the Service's status, or "" and why there is none."""
    status = found.get("status", {})
    for entry in status.get("loadBalancer", {}).get("ingress", ()):
        if "ip" in entry:
            return entry["ip"], ""
    for condition in status.get("conditions", ()):
        if condition["type"] == names.CONDITION_ASSIGNED:
            return "", f"{condition['reason']}: {condition['message']}"
    return "", "the controller has said nothing about it; is a replica ready and active?"


def announced(exposition: str) -> float:
    """How many addresses and routes a speaker's metrics tell of."""
    lines = (line.rsplit(" ", 1) for line in exposition.splitlines() if line.startswith(ANNOUNCED))
    return sum(float(value) for _, value in lines)


async def main(settings: TrialSettings) -> None:
    """Do it all. Raises Failed, ApiError or LoginError."""
    path = SERVICES.object_path(settings.namespace, NAME)
    async with connect(settings.kubeconfig) as api, aiohttp.ClientSession() as session:
        speakers = Speakers(api, session, settings)
        with contextlib.suppress(NotFound):
            await api.delete(path)
        before = await speakers.announced()
        await api.post(Resource("", "v1", "services", settings.namespace).path, service(settings))
        try:
            address = await until(settings.within_seconds, lambda: _address(api, path), "the Service has no address")
            print(f"assigned: {address}")

            async def spread() -> tuple[str, str]:
                now = await speakers.announced()
                return ("yes", "") if now > before else ("", f"the speakers announce {now:.0f} as before")

            await until(settings.within_seconds, spread, f"no speaker announces {address}")
            print(f"announced: {address}")
            await until(settings.within_seconds, lambda: _answer(session, address), f"{address} does not answer")
            print(f"answered: {address}")
        finally:
            with contextlib.suppress(NotFound):
                await api.delete(path)


class Speakers:
    """The speakers of the cluster, by their metrics."""

    def __init__(self, api: Api, session: aiohttp.ClientSession, settings: TrialSettings) -> None:
        self._api, self._session, self._settings = api, session, settings

    async def announced(self) -> float:
        """Over all speakers that answer. Raises Failed when none does."""
        pods = Resource("", "v1", "pods", self._settings.namespace)
        query = {"labelSelector": "app.kubernetes.io/name=heraldlb,app.kubernetes.io/component=speaker"}
        items = msgspec.json.decode(await self._api.get(pods.path, query))["items"]
        hosts = [address for item in items if (address := item.get("status", {}).get("podIP"))]
        pages = [page for page in await asyncio.gather(*map(self._page, hosts)) if page]
        if not pages:
            raise Failed(f"none of {len(hosts)} speakers answers on port {self._settings.speaker_metrics_port}")
        return sum(map(announced, pages))

    async def _page(self, host: str) -> str:
        url = f"http://{f'[{host}]' if ':' in host else host}:{self._settings.speaker_metrics_port}/metrics"
        return await _get(self._session, url)


async def until(within: float, attempt: Callable[[], Awaitable[tuple[str, str]]], what: str) -> str:
    """What `attempt` finds; it gives "" and the reason as long as it finds nothing. Raises Failed after `within` s."""
    end = time.monotonic() + within
    while True:
        found, why = await attempt()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"{what} after {within:.0f} s: {why}")
        await asyncio.sleep(_EVERY_SECONDS)


async def _address(api: Api, path: str) -> tuple[str, str]:
    return address_of(msgspec.json.decode(await api.get(path)))


async def _answer(session: aiohttp.ClientSession, address: str) -> tuple[str, str]:
    url = f"http://{f'[{address}]' if ':' in address else address}/healthz"
    return await _get(session, url), f"no HTTP 200 from {url}"


async def _get(session: aiohttp.ClientSession, url: str) -> str:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=3)) as response:
            return await response.text() if response.status == 200 else ""
    return ""


if __name__ == "__main__":
    chosen = read(TrialSettings, sys.argv[1:], os.environ, prog="python -m lb_controller.app.trial")
    try:
        asyncio.run(main(chosen))
    except (Failed, ApiError, LoginError) as error:
        print(f"failed: {error}")
        sys.exit(1)
    print("HeraldLB assigns, announces and answers")

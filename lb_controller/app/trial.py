"""`python -m lb_controller.app.trial`: the check behind `helm test`. It does what a user does, once, and cleans up.

A Service of type LoadBalancer is made for the controller's own /healthz; it must get an address, the speakers must say
on its condition that they announce it, and the address must answer. Every step that fails is one sentence on stdout and
exit status 1. The speakers are believed, because a pod cannot ask the LAN: its node's kube-proxy would answer for the
address itself.
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

from lb_controller.kube.client import LoginError, connect
from lb_controller.kube.errors import ApiError, NotFound
from lb_controller.kube.resources import SERVICES, Resource
from lb_controller.model import names
from lb_controller.runtime.settings import read, setting

NAME = "heraldlb-test"
_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """Makes a Service, waits for its address and announcement, asks for an answer, and removes it."""

    namespace: str = setting("heraldlb-system", help="namespace of HeraldLB")
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


def announced(found: dict[str, Any]) -> tuple[str, str]:
    """Where the speakers say that they announce its address, or "" and why they do not."""
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == names.CONDITION_ANNOUNCED:
            if condition["status"] == "True":
                return condition["message"], ""
            return "", f"{condition['reason']}: {condition['message']}"
    return "", "the speakers have said nothing about it; are they ready?"


async def main(settings: TrialSettings) -> None:
    """Do it all. Raises Failed, ApiError or LoginError."""
    path = SERVICES.object_path(settings.namespace, NAME)
    async with connect(settings.kubeconfig) as api, aiohttp.ClientSession() as session:

        async def read(look: Callable[[dict[str, Any]], tuple[str, str]]) -> tuple[str, str]:
            return look(msgspec.json.decode(await api.get(path)))

        with contextlib.suppress(NotFound):
            await api.delete(path)
        await api.post(Resource("", "v1", "services", settings.namespace).path, service(settings))
        within = settings.within_seconds
        try:
            address = await until(within, lambda: read(address_of), "the Service has no address")
            print(f"assigned: {address}")
            where = await until(within, lambda: read(announced), f"no speaker announces {address}")
            print(f"announced: {where}")
            await until(within, lambda: _answer(session, address), f"{address} does not answer")
            print(f"answered: {address}")
        finally:
            with contextlib.suppress(NotFound):
                await api.delete(path)


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


async def _answer(session: aiohttp.ClientSession, address: str) -> tuple[str, str]:
    url = f"http://{f'[{address}]' if ':' in address else address}/healthz"
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=3)) as response:
            if response.status == 200:
                return await response.text(), ""
    return "", f"no HTTP 200 from {url}"


if __name__ == "__main__":
    chosen = read(TrialSettings, sys.argv[1:], os.environ, prog="python -m lb_controller.app.trial")
    try:
        asyncio.run(main(chosen))
    except (Failed, ApiError, LoginError) as error:
        print(f"failed: {error}")
        sys.exit(1)
    print("HeraldLB assigns, announces and answers")

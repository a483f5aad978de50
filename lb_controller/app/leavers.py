"""Services that left us but still exist: their type is no longer LoadBalancer.

The API server drops addresses and class of such a Service itself, but keeps its conditions and annotations: ours are
taken away here, so that nobody reads a promise that nobody keeps. Most that leave were deleted, which one GET tells.
"""

import asyncio
import random
from collections.abc import Callable

import msgspec

from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, Conflict, NotFound, Rejected
from lb_controller.kube.patch import service_status
from lb_controller.kube.resources import SERVICES
from lb_controller.model import names, wire
from lb_controller.model.cluster import Service
from lb_controller.runtime.backoff import Backoff
from lb_controller.runtime.logging import logger

_decode = msgspec.json.Decoder(wire.Service).decode
_TRIES = 8


class Leavers:
    """Takes our marks off Services that left; `may_write` is asked just before each write."""

    def __init__(self, api: Api, may_write: Callable[[], bool]) -> None:
        self._api, self._may_write = api, may_write
        self._queue: asyncio.Queue[Service] = asyncio.Queue()
        self._log = logger(part="leavers")

    def submit(self, service: Service) -> None:
        """This Service is no longer among ours."""
        self._queue.put_nowait(service)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            service = await self._queue.get()
            backoff = Backoff(random.random)
            for _ in range(_TRIES):
                try:
                    await self._release(service)
                except (NotFound, Rejected):
                    break
                except Conflict:
                    continue
                except ApiError as error:
                    self._log.info("release_failed", service=str(service.key), uid=service.uid, why=str(error))
                    await asyncio.sleep(backoff.next())
                else:
                    break

    async def _release(self, service: Service) -> None:
        path = SERVICES.object_path(*service.key)
        found = _decode(await self._api.get(path))
        if found.metadata.uid != service.uid or found.spec.type == "LoadBalancer" or not self._may_write():
            return
        version = found.metadata.resource_version
        # The speakers do not see it any more, so what they said of it is taken away under their name too.
        for manager in (names.FIELD_MANAGER_SPEAKER, names.FIELD_MANAGER_CONTROLLER):
            body = service_status(
                service.key.name, service.key.namespace, version, ingress=None, conditions=(), annotations={}
            )
            version = _decode(await self._api.apply(f"{path}/status", body, manager=manager)).metadata.resource_version
        self._log.info("service_released", service=str(service.key), uid=service.uid)

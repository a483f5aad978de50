"""Churn of Services, and an observer of what becomes of them: processes of their own, inside the lab's network.

    python -m tests.e2e.churn watch KUBECONFIG NAMESPACE OUT          until SIGTERM; a line for each broken promise
    python -m tests.e2e.churn make KUBECONFIG NAMESPACE SEED COUNT    random changes until SIGTERM, at most COUNT alive

The observer trusts nobody's words: it follows the Services by a list and watch of its own and compares each status with
the one before and with those of all others.
"""

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lb_controller.kube.client import Api, connect
from lb_controller.kube.errors import ApiError
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.resources import Resource
from lb_controller.kube.store import Key
from lb_controller.model import wire

SHARING_KEYS = 20
PREFIX = "heraldlb.io/"
OURS = (f"{PREFIX}assigned-from-pool", f"{PREFIX}sharing-digest")
_decode = msgspec.json.Decoder(wire.Service).decode


@dataclass(frozen=True)
class Seen:
    """A Service as it is: who it is, what it asks for (`wants`: which addresses), what it has."""

    uid: str
    asks: str
    wants: tuple[str, ...]
    key: str
    ports: frozenset[tuple[str, int]]
    has: tuple[str, ...]


def seen_of(service: wire.Service) -> Seen:
    notes = service.metadata.annotations or {}
    asked = {name: text for name, text in sorted(notes.items()) if name not in OURS}
    ports = frozenset((port.protocol, port.port) for port in service.spec.ports or ())
    balancer = service.status.load_balancer
    has = tuple(entry.ip for entry in (balancer.ingress if balancer is not None else None) or ())
    wants = tuple(filter(None, [notes.get(f"{PREFIX}loadBalancerIPs", "")]))
    words = json.dumps([asked, sorted(ports), service.spec.load_balancer_ip])
    return Seen(service.metadata.uid, words, wants, notes.get(f"{PREFIX}allow-shared-ip", ""), ports, has)


@dataclass
class Observer:
    """Keeps every Service and finds broken promises: an address twice, a move that nobody asked for, an emptied one.

    They are made to Services that hold still: `restless` are those that asked for something else since they last got
    an address; what becomes of them is theirs to bear (they may have to leave an address that they shared). One that is
    seen for the first time with an address, because the API server was away, may have asked for another thing before.
    """

    tell: Callable[[str], None]
    now: dict[Key, Seen] = field(default_factory=dict)
    restless: set[Key] = field(default_factory=set)
    holders: dict[str, set[Key]] = field(default_factory=dict)
    changes: int = 0

    def take(self, key: Key, service: wire.Service | None) -> None:
        self.changes += 1
        before = self.now.pop(key, None)
        for address in before.has if before is not None else ():
            self.holders[address].discard(key)
        if service is None or service.spec.type != "LoadBalancer":
            return
        seen = seen_of(service)
        if before is None or before.uid != seen.uid:
            (self.restless.add if seen.has else self.restless.discard)(key)
        else:
            self._compare(key, before, seen)
        self.now[key] = seen
        for address in seen.has:
            for other in self.holders.setdefault(address, set()):
                self._pair(address, key, seen, other)
            self.holders[address].add(key)

    def _compare(self, key: Key, before: Seen, seen: Seen) -> None:
        if before.asks != seen.asks:
            self.restless.add(key)
        if before.has == seen.has:
            return
        if before.has and key not in self.restless and not (seen.has and seen.wants == seen.has):
            word = "moved" if seen.has else "emptied"
            self.tell(f"{word}: {key} from {before.has} to {seen.has}, and always asked for {seen.asks}")
        self.restless.discard(key)

    def _pair(self, address: str, key: Key, seen: Seen, other_key: Key) -> None:
        other = self.now[other_key]
        still = not {key, other_key} & self.restless
        if still and (not seen.key or seen.key != other.key or seen.ports & other.ports):
            self.tell(f"twice: {address} is held by {key} {seen} and {other_key} {other}")


def watch(kubeconfig: str, namespace: str, out: str) -> None:
    with Path(out).open("a", buffering=1) as file:
        observer = Observer(lambda text: print(text, file=file))
        asyncio.run(follow(kubeconfig, namespace, observer))
    Path(f"{out}.changes").write_text(str(observer.changes))


async def follow(kubeconfig: str, namespace: str, observer: Observer) -> None:
    async with connect(Path(kubeconfig)) as api:
        services = Resource("", "v1", "services", namespace)
        await _until_terminated(Reflector(api, services, _decode, observer.take).run())


async def make(kubeconfig: str, namespace: str, seed: str, count: str) -> None:
    async with connect(Path(kubeconfig), within=5) as api:
        makers = [Maker(api, namespace, random.Random(f"{seed}-{number}"), number) for number in range(4)]
        works = [maker.run(int(count) // len(makers)) for maker in makers]
        await _until_terminated(*works)


class Maker:
    """Creates, changes and deletes Services with names of its own."""

    def __init__(self, api: Api, namespace: str, dice: random.Random, number: int) -> None:
        self.api, self.namespace, self.dice, self.number = api, namespace, dice, number
        self.path = f"/api/v1/namespaces/{namespace}/services"
        self.alive: list[str] = []
        self._made = 0

    async def run(self, most: int) -> None:
        while True:
            with contextlib.suppress(ApiError):  # the API server may be away, or the object gone
                await self._step(most)
            await asyncio.sleep(0.02)

    async def _step(self, most: int) -> None:
        roll = self.dice.random()
        if not self.alive or (roll < 0.45 and len(self.alive) < most):
            await self._create()
        elif roll < 0.75:
            await self.api.delete(f"{self.path}/{self.alive.pop(self.dice.randrange(len(self.alive)))}")
        else:
            path = f"{self.path}/{self.dice.choice(self.alive)}"
            await self.api.patch(path, {"metadata": {"annotations": self._notes(change=True)}}, manager="churn")

    async def _create(self) -> None:
        self._made += 1
        name = f"c{self.number}-{self._made}"
        port = {"port": self.dice.randrange(1, 30)}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "annotations": self._notes()},
            "spec": {"type": "LoadBalancer", "ports": [port], "allocateLoadBalancerNodePorts": False},
        }
        self.alive.append(name)
        await self.api.post(self.path, body)

    def _notes(self, *, change: bool = False) -> dict[str, Any]:
        """What it asks for: nothing, to share, or a certain address."""
        notes: dict[str, Any] = (
            dict.fromkeys((f"{PREFIX}allow-shared-ip", f"{PREFIX}loadBalancerIPs")) if change else {}
        )
        roll = self.dice.random()
        if roll < 0.4:
            notes[f"{PREFIX}allow-shared-ip"] = f"key{self.dice.randrange(SHARING_KEYS)}"
        elif roll < 0.6:
            notes[f"{PREFIX}loadBalancerIPs"] = f"10.90.{self.dice.randrange(4)}.{self.dice.randrange(256)}"
        return notes


async def _until_terminated(*works: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(*sys.argv[2:])
    else:
        asyncio.run(make(*sys.argv[2:]))

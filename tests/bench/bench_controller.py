"""The controller against a real API server: how fast Services get addresses, beside a bare loop that writes the same.

One lab without nodes. Inside its network a client creates Services and watches them; the time counts from the answer of
the POST is sent (in a burst: from the ADDED event) until a watch shows the address. The yardstick is a loop that
applies such a status to as many Services with the same client, 32 in flight, and decides nothing.
"""

import asyncio
import ipaddress
import os
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from lb_controller.kube.client import Api, connect
from lb_controller.kube.patch import service_status
from lb_controller.kube.reflector import Reflector
from lb_controller.kube.resources import LOAD_BALANCERS_ONLY, SERVICES, custom
from lb_controller.kube.store import Key
from lb_controller.model import names, wire
from lb_controller.model.cluster import Condition
from lb_controller.model.names import KIND_IP_ADDRESS_POOL
from tests.lab.lab import Lab

BURSTS = (200, 1000)
SINGLES = 50
_decode = msgspec.json.Decoder(wire.Service).decode


class Observer:
    """When each Service was first seen, and first seen with an address."""

    def __init__(self, api: Api) -> None:
        self.added: dict[str, float] = {}
        self.assigned: dict[str, float] = {}
        self.addresses: dict[str, str] = {}
        self._news = asyncio.Event()
        self._reflector = Reflector(api, SERVICES, _decode, self._take, field_selector=LOAD_BALANCERS_ONLY)

    async def run(self) -> None:
        await self._reflector.run()

    def _take(self, key: Key, service: wire.Service | None) -> None:
        if service is None:
            return
        name, now = key[1], time.perf_counter()
        self.added.setdefault(name, now)
        balancer = service.status.load_balancer
        if balancer is not None and balancer.ingress and name not in self.assigned:
            self.assigned[name], self.addresses[name] = now, balancer.ingress[0].ip
            self._news.set()

    async def until(self, wanted: Iterable[str], seconds: float = 120) -> None:
        missing = set(wanted)
        async with asyncio.timeout(seconds):
            while missing := missing - self.assigned.keys():
                self._news.clear()
                await self._news.wait()


async def in_flight(work: Iterable[Callable[[], Awaitable[object]]], count: int) -> None:
    pending = iter(list(work))

    async def worker() -> None:
        for job in pending:
            await job()

    await asyncio.gather(*(worker() for _ in range(count)))


def body(name: str, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "allocateLoadBalancerNodePorts": False, **spec},
    }


def figures(seconds: list[float]) -> str:
    ordered = sorted(second * 1000 for second in seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered):7.1f} ms   p99 {p99:7.1f} ms"


async def burst(api: Api, seen: Observer, count: int, prefix: str) -> None:
    wanted = [f"{prefix}{number}" for number in range(count)]
    path = f"{SERVICES.root}/namespaces/default/services"
    begin = time.perf_counter()
    await in_flight([lambda name=name: api.post(path, body(name)) for name in wanted], 16)  # type: ignore[misc]
    created = time.perf_counter() - begin
    await seen.until(wanted)
    took = max(seen.assigned[name] for name in wanted) - begin
    waits = [seen.assigned[name] - seen.added[name] for name in wanted]
    distinct = len({seen.addresses[name] for name in wanted})
    print(f"burst of {count}: created in {created:.2f} s, all assigned {took:.2f} s after the first POST")
    print(f"    ADDED to address {figures(waits)}, {distinct} distinct addresses")


async def singles(api: Api, seen: Observer, present: int) -> None:
    path = f"{SERVICES.root}/namespaces/default/services"
    waits = []
    for number in range(SINGLES):
        name = f"single{present}-{number}"
        begin = time.perf_counter()
        await api.post(path, body(name))
        await seen.until([name])
        waits.append(seen.assigned[name] - begin)
        await asyncio.sleep(0.02)
    print(f"one Service with {present} others, POST sent to address seen: {figures(waits)}")


async def bare_loop(api: Api, count: int) -> None:
    """Other Services (of a class that nobody serves), their status written without deciding anything."""
    path = f"{SERVICES.root}/namespaces/default/services"
    wanted = [f"bare{number}" for number in range(count)]
    other = {"loadBalancerClass": "example.com/none"}
    versions: dict[str, str] = {}

    async def create(name: str) -> None:
        versions[name] = _decode(await api.post(path, body(name, **other))).metadata.resource_version

    async def write(name: str, number: int) -> None:
        address = ipaddress.ip_address("10.99.0.0") + number
        condition = Condition(names.CONDITION_ASSIGNED, "True", "Assigned", "m", 0, "2026-01-01T00:00:00Z")
        status = service_status(
            name, "default", versions[name], ingress=[address], conditions=[condition], annotations={}
        )
        await api.apply(f"{path}/{name}/status", status, manager="yardstick")

    await in_flight([lambda name=name: create(name) for name in wanted], 16)  # type: ignore[misc]
    begin = time.perf_counter()
    jobs = [lambda name=name, n=n: write(name, n) for n, name in enumerate(wanted)]  # type: ignore[misc]
    await in_flight(jobs, 32)
    took = time.perf_counter() - begin
    print(f"yardstick: {count} statuses applied by a bare loop in {took:.2f} s ({count / took:.0f}/s)")


async def restarted(lab_pid: int, api: Api, seen: Observer, count: int) -> None:
    """Services that exist before the controller looks: it is frozen while they are made."""
    wanted = [f"before{number}" for number in range(count)]
    path = f"{SERVICES.root}/namespaces/default/services"
    os.kill(lab_pid, signal.SIGSTOP)
    await in_flight([lambda name=name: api.post(path, body(name)) for name in wanted], 16)  # type: ignore[misc]
    begin = time.perf_counter()
    os.kill(lab_pid, signal.SIGCONT)
    await seen.until(wanted)
    took = max(seen.assigned[name] for name in wanted) - begin
    print(f"{count} Services waiting at once: all assigned in {took:.2f} s ({count / took:.0f}/s)")


async def inside(kubeconfig: str, pid: int) -> None:
    async with connect(Path(kubeconfig), connections=128) as api:
        pool = {"apiVersion": "heraldlb.io/v1beta1", "kind": KIND_IP_ADDRESS_POOL, "metadata": {"name": "bench"}}
        await api.post(custom(KIND_IP_ADDRESS_POOL).path, {**pool, "spec": {"addresses": ["10.200.0.0/16"]}})
        seen = Observer(api)
        watching = asyncio.create_task(seen.run())
        await singles(api, seen, 0)
        for count in BURSTS:
            await burst(api, seen, count, f"b{count}-")
            print(memory(pid))
        await singles(api, seen, len(seen.assigned))
        await restarted(pid, api, seen, 1000)
        await bare_loop(api, 1000)
        print(memory(pid))
        watching.cancel()


def memory(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmRSS"))
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    return f"controller: {int(found.split()[1]) // 1024} MB resident, {seconds:.1f} s of CPU since its start"


def outside() -> None:
    lab = Lab("benchctl")
    lab.up(nodes=0, router=False)
    try:
        lab.kubectl("apply", "-f", str(Path(__file__).parents[2] / "crds"))
        lab.kubectl("create", "namespace", "heraldlb-system")
        command = [sys.executable, "-m", "lb_controller", f"--kubeconfig={lab.kubeconfig}"]
        root = {"PYTHONPATH": str(Path(__file__).parents[2])}
        pid = lab.space.start("cp", command, lab.folder / "controller.log", root)
        load = [sys.executable, "-m", "tests.bench.bench_controller", str(lab.kubeconfig), str(pid)]
        print(lab.run("cp", *load, timeout=600), end="")
    finally:
        lab.down()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(inside(sys.argv[1], int(sys.argv[2])))
    else:
        outside()

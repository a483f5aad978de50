"""The controller against a real API server: how fast Services get addresses, beside bare loops that decide nothing.

One lab without nodes. Inside its network a client creates Services and watches them. Yardsticks, in the same run: a
loop that applies such statuses to as many Services with the same client, 32 in flight; and POST followed by such a
PATCH, one after the other. Latencies count from sending the POST until the watch shows the address.
"""

import asyncio
import ipaddress
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
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

SINGLES = 50
YARDSTICK = 500
MOST = int(os.environ.get("HERALD_BENCH_SERVICES", "10000"))  # 4,100 or more; fewer where time is short
PORT = 9470
PATH = f"{SERVICES.root}/namespaces/default/services"
POOL = f"{custom(KIND_IP_ADDRESS_POOL).path}/bench"
_decode = msgspec.json.Decoder(wire.Service).decode


class Observer:
    """When each Service was first seen, and first seen with an address; how often each was seen to change."""

    def __init__(self, api: Api) -> None:
        self.added: dict[str, float] = {}
        self.assigned: dict[str, float] = {}
        self.addresses: dict[str, str] = {}
        self.changes: dict[str, int] = {}
        self._news = asyncio.Event()
        self._reflector = Reflector(api, SERVICES, _decode, self._take, field_selector=LOAD_BALANCERS_ONLY)

    async def run(self) -> None:
        await self._reflector.run()

    def _take(self, key: Key, service: wire.Service | None) -> None:
        name, now = key[1], time.perf_counter()
        self.changes[name] = self.changes.get(name, 0) + 1
        if service is None:
            return
        self.added.setdefault(name, now)
        balancer = service.status.load_balancer
        if balancer is not None and balancer.ingress and name not in self.assigned:
            self.assigned[name], self.addresses[name] = now, balancer.ingress[0].ip
            self._news.set()

    async def until(self, wanted: Iterable[str], seconds: float = 300) -> None:
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
    return f"p50 {statistics.median(ordered):6.1f} ms   p99 {p99:6.1f} ms"


class Bench:
    """The measurements; `pid` is the controller."""

    def __init__(self, api: Api, seen: Observer, pid: int) -> None:
        self.api, self.seen, self.pid = api, seen, pid
        self._bare = 0

    async def create(self, wanted: list[str]) -> float:
        begin = time.perf_counter()
        await in_flight([lambda name=name: self.api.post(PATH, body(name)) for name in wanted], 16)  # type: ignore[misc]
        return time.perf_counter() - begin

    # --- bursts

    async def bare(self, count: int) -> float:
        """Statuses per second of a loop that applies them to Services of a class that nobody serves."""
        wanted = [f"bare{self._bare + number}" for number in range(count)]
        self._bare += count
        versions: dict[str, str] = {}

        async def make(name: str) -> None:
            answer = await self.api.post(PATH, body(name, loadBalancerClass="example.com/none"))
            versions[name] = _decode(answer).metadata.resource_version

        await in_flight([lambda name=name: make(name) for name in wanted], 16)  # type: ignore[misc]
        jobs = [lambda name=name, n=n: self.write(name, n, versions[name]) for n, name in enumerate(wanted)]  # type: ignore[misc]
        begin = time.perf_counter()
        await in_flight(jobs, 32)
        rate = count / (time.perf_counter() - begin)
        await in_flight([lambda name=name: self.api.delete(f"{PATH}/{name}") for name in wanted], 16)  # type: ignore[misc]
        return rate

    async def write(self, name: str, number: int, version: str) -> None:
        address = ipaddress.ip_address("10.99.0.0") + number
        message = f"assigned {address} from IPAddressPool bench"
        condition = Condition(names.CONDITION_ASSIGNED, "True", "Assigned", message, 0, "2026-01-01T00:00:00Z")
        notes = {names.ANNOTATION_ASSIGNED_FROM_POOL: "bench"}
        words = {"ingress": [address], "conditions": [condition], "annotations": notes}
        status = service_status(name, "default", version, **words)  # type: ignore[arg-type]
        await self.api.apply(f"{PATH}/{name}/status", status, manager="yardstick")

    async def waiting(self, count: int, prefix: str) -> None:
        """A burst of Services that exist before the controller looks: it is frozen while they are made."""
        before = await self.bare(YARDSTICK)
        wanted = [f"{prefix}{number}" for number in range(count)]
        os.kill(self.pid, signal.SIGSTOP)
        await self.create(wanted)
        begin = time.perf_counter()
        os.kill(self.pid, signal.SIGCONT)
        await self.seen.until(wanted)
        took = max(self.seen.assigned[name] for name in wanted) - min(self.seen.assigned[name] for name in wanted)
        until_first = min(self.seen.assigned[name] for name in wanted) - begin
        rate = count / took
        await self.settle()
        yardstick = (before + await self.bare(YARDSTICK)) / 2
        words = f"burst of {count} waiting: {rate:.0f}/s, bare loop {yardstick:.0f}/s, ratio {rate / yardstick:.2f}"
        print(f"{words}; first {until_first:.2f} s after it was thawed")

    async def arriving(self, count: int, prefix: str) -> None:
        wanted = [f"{prefix}{number}" for number in range(count)]
        begin = time.perf_counter()
        created = await self.create(wanted)
        await self.seen.until(wanted)
        took = max(self.seen.assigned[name] for name in wanted) - begin
        waits = [self.seen.assigned[name] - self.seen.added[name] for name in wanted]
        distinct = len({self.seen.addresses[name] for name in wanted})
        print(f"burst of {count} arriving: created in {created:.2f} s, the last has its address after {took:.2f} s")
        print(f"    ADDED seen to address seen {figures(waits)}, {distinct} distinct")
        await self.settle()

    async def settle(self) -> None:
        """Until Events and pool status are written: nothing moves for a second and a half; two minutes at most."""
        before = -1.0
        for _ in range(80):
            if (now := cpu(self.pid)) - before <= 0.05:
                return
            before = now
            await asyncio.sleep(1.5)

    # --- one at a time

    async def singles(self, present: int) -> None:
        waits, bare = [], []
        for number in range(SINGLES):
            name = f"single{present}-{number}"
            begin = time.perf_counter()
            await self.api.post(PATH, body(name))
            await self.seen.until([name])
            waits.append(self.seen.assigned[name] - begin)
            await asyncio.sleep(0.02)
        for number in range(SINGLES):
            name = f"pair{present}-{number}"
            begin = time.perf_counter()
            answer = await self.api.post(PATH, body(name, loadBalancerClass="example.com/none"))
            await self.write(name, number, _decode(answer).metadata.resource_version)
            bare.append(time.perf_counter() - begin)
            await asyncio.sleep(0.02)
        print(f"one Service with {present:5} others: {figures(waits)}   POST + PATCH alone: {figures(bare)}")

    async def delete_and_create(self) -> None:
        """One goes and one comes: how soon, and what else is written."""
        await self.settle()
        gone = next(name for name in self.seen.addresses if name.startswith("w5k"))
        before = dict(self.seen.changes)
        waits = []
        for number in range(10):
            await self.api.delete(f"{PATH}/{gone}")
            begin = time.perf_counter()
            await self.api.post(PATH, body(f"swap{number}"))
            await self.seen.until([f"swap{number}"])
            waits.append(time.perf_counter() - begin)
            gone = f"swap{number}"
        await asyncio.sleep(2)
        others = {name for name, count in self.seen.changes.items() if count != before.get(name)}
        others = {name for name in others if not name.startswith("swap")}
        print(f"one deleted, one created, 10 times: {figures(waits)}, {len(others) - 1} other Services were written")

    async def edit_pool(self, what: str, *addresses: str, seconds: float = 20) -> None:
        """The pool that holds everything is edited while single Services come."""
        await self.settle()
        await scrape("heraldlb_loop_lag_seconds")
        await self.api.patch(POOL, {"spec": {"addresses": list(addresses)}}, manager="bench")
        lags, waits, end = [], [], time.monotonic() + seconds
        while time.monotonic() < end:
            name = f"{what}{len(waits)}"
            begin = time.perf_counter()
            await self.api.post(PATH, body(name))
            await self.seen.until([name])
            waits.append(time.perf_counter() - begin)
            lags.append(await scrape("heraldlb_loop_lag_seconds"))
            await asyncio.sleep(0.2)
        print(f"pool {what} with {len(self.seen.assigned)} Services: worst loop lag between looks {figures(lags)}")
        print(f"    {len(waits)} Services created meanwhile: {figures(waits)}")

    async def idle(self, seconds: float = 20) -> None:
        await self.settle()
        begin = cpu(self.pid)
        await asyncio.sleep(seconds)
        print(f"idle: {(cpu(self.pid) - begin) / seconds * 100:.1f} % of a core")


def cpu(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split()[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return f"controller: {found['VmRSS:']} MB resident, at most {found['VmHWM:']}; {cpu(pid):.1f} s of CPU so far"


async def scrape(name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{PORT}/metrics") as answer:
        text = await answer.text()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def inside(kubeconfig: str, pid: int) -> None:
    async with connect(Path(kubeconfig), connections=128, within=60) as api:
        pool = {"apiVersion": "heraldlb.io/v1beta1", "kind": KIND_IP_ADDRESS_POOL, "metadata": {"name": "bench"}}
        await api.post(custom(KIND_IP_ADDRESS_POOL).path, {**pool, "spec": {"addresses": ["10.200.0.0/16"]}})
        seen = Observer(api)
        watching = asyncio.create_task(seen.run())
        bench = Bench(api, seen, pid)
        await bench.singles(0)
        await bench.waiting(1000, "w1k-")
        await bench.singles(1000)
        await bench.arriving(1000, "a1k-")
        await bench.waiting(MOST // 2, "w5k-")
        await bench.arriving(MOST // 2 - 2000, "a3k-")
        print(memory(pid))
        await bench.singles(MOST)
        await bench.delete_and_create()
        await bench.edit_pool("grown", "10.200.0.0/16", "10.201.0.0/24")
        await bench.edit_pool("shrunk", "10.202.0.0/16")  # every holder is told that its address is in no pool
        await bench.edit_pool("widened", "10.200.0.0/16", "10.202.0.0/16")
        written = await scrape('heraldlb_status_writes_total{kind="Service",result="written"}')
        print(f"{written:.0f} status writes for {len(seen.assigned)} assignments")
        pools = await scrape('heraldlb_status_writes_total{kind="IPAddressPool",result="written"}')
        print(f"    and {pools:.0f} of the pool's status")
        await bench.idle()
        print(memory(pid))
        watching.cancel()


def outside() -> None:
    lab = Lab("benchctl")
    lab.up(nodes=0, router=False)
    try:
        lab.kubectl("apply", "-f", str(Path(__file__).parents[2] / "crds"))
        lab.kubectl("create", "namespace", "heraldlb-system")
        command = [sys.executable, "-m", "lb_controller", f"--kubeconfig={lab.kubeconfig}"]
        root = {"PYTHONPATH": str(Path(__file__).parents[2])}
        pid = lab.space.start("cp", command, lab.folder / "controller.log", root)
        load = [sys.executable, "-u", "-m", "tests.bench.bench_controller", str(lab.kubeconfig), str(pid)]
        subprocess.run(lab.space.enter("cp", *load), check=True, timeout=1500)
    finally:
        lab.down()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(inside(sys.argv[1], int(sys.argv[2])))
    else:
        outside()

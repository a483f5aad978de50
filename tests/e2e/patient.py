"""Pods that lose no connection by themselves, and what a train of requests to them may have met."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.train import Changes, Met
from tests.e2e.world import Address, World
from tests.lab.wait import eventually

UNDER_WAY = 0.1  # seconds; an answer takes a few milliseconds
# Busybox's httpd forks for each connection and lets nine wait; on a busy machine it would lose some by itself.
SERVER = """
import asyncio
async def answer(reader, writer):
    await reader.read(64)
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    writer.close()
async def main():
    async with await asyncio.start_server(answer, None, 8080, backlog=4096) as server:
        await server.serve_forever()
asyncio.run(main())
"""
PATIENT = "patient"  # the workload


@pytest.fixture
def patient(world: World) -> Iterator[str]:
    """A workload of three pods that keep every connection waiting rather than lose it; the value of its label `app`."""
    labels = {"app": PATIENT}
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    container = {
        "name": "http",
        "image": world.lab.load_image(),
        "imagePullPolicy": "Never",
        "command": ["/opt/heraldlb/bin/python3", "-c", SERVER],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30},
    }
    pod = {
        "terminationGracePeriodSeconds": 3,
        "topologySpreadConstraints": [{**spread, "labelSelector": {"matchLabels": labels}}],
        "containers": [container],
    }
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": PATIENT}, "spec": spec}
    world.lab.kubectl("apply", "-f", "-", input=json.dumps(deployment))
    world.lab.kubectl("rollout", "status", f"deployment/{PATIENT}", "--timeout=120s")
    yield PATIENT
    world.lab.kubectl("delete", "deployment", PATIENT)


def reached(world: World, member: str, address: Address) -> None:
    """Wait until an answer from the address arrives at that member of the lab."""
    ask = ("curl", "-s", "-m", "2", "--noproxy", "*", f"http://{address}/")
    eventually(lambda: world.lab.try_run(member, *ask).returncode == 0, within=20, what=f"an answer from {address}")


def assert_only_what_was_under_way_was_cut(met: Met, moves: Changes) -> None:
    """No new connection fails; one that is open at the moment of a move is promised nothing (docs/explanation)."""
    cut = [(at, why) for at, why in met.failed if moves.during(at, UNDER_WAY)]
    print(f"{met.asked} connections, {len(moves.times)} changes, {len(cut)} cut by them, slowest {met.worst:.2f} s")
    assert met.asked > 500
    assert [why for at, why in met.failed if (at, why) not in cut] == []

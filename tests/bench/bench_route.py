"""From a created Service to the route in the kernel of the router: controller, speakers and BGP of three nodes, FRR.

Needs root. The nodes have no kubelets; endpoints exist before the Service. The clock starts when the POST is sent. What
is watched is the kernel's own table in the router's namespace: the first route to the address, and the last change of
it (the next hops of all nodes). The controller's share is the time until the Service has its address.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from lb_controller.kube.client import connect
from tests.bench.bench_controller import PATH, Observer, body, figures
from tests.e2e.speaker_world import ROOT, SYSTEM, Facts
from tests.e2e.train import Changes
from tests.lab.lab import Lab
from tests.lab.namespaces import NETNS
from tests.lab.wait import eventually

NODES, SERVICES, PAUSE = 3, 50, 0.5
POOL, PEER = "10.79.0.0/24", {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1", "holdTime": "9s"}


def names() -> list[str]:
    return [f"route{number}" for number in range(SERVICES)]


async def inside(kubeconfig: str) -> None:
    """Create them one by one; prints when each was sent and had its address (monotonic clock), and the address."""
    async with connect(Path(kubeconfig), within=60) as api:
        seen = Observer(api)
        watching = asyncio.create_task(seen.run())
        found = []
        for name in names():
            sent, offset = time.monotonic(), time.monotonic() - time.perf_counter()
            await api.post(PATH, body(name))
            await seen.until([name])
            found.append((sent, seen.assigned[name] + offset, seen.addresses[name]))
            await asyncio.sleep(PAUSE)
        watching.cancel()
        print(json.dumps(found))


def outside() -> None:
    lab = Lab("benchroute")
    lab.up(nodes=0, bare_nodes=NODES, router=True)
    try:
        lab.start_speakers()
        lab.kubectl("create", "namespace", SYSTEM)
        controller = [sys.executable, "-m", "lb_controller", f"--kubeconfig={lab.kubeconfig}"]
        lab.space.start("cp", controller, lab.folder / "controller.log", {"PYTHONPATH": str(ROOT)})
        facts = Facts(lab, "default")
        facts.ours("IPAddressPool", "routed", {"addresses": [POOL]})
        facts.ours("BGPPeer", "router", PEER)
        facts.ours("BGPAdvertisement", "routed", {})
        for name in names():
            facts.endpoints(name, *lab.node_names)
        eventually(
            lambda: lab.vtysh("show bgp summary established").count("64512") == NODES, within=60, what="sessions"
        )
        with Changes(NETNS / lab.space.name("rtr"), "ip", "monitor", "route") as changes:
            command = lab.space.enter("cp", sys.executable, "-m", "tests.bench.bench_route", str(lab.kubeconfig))
            output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        tell(json.loads(output), changes)
    finally:
        lab.down()


def tell(found: list[tuple[float, float, str]], changes: Changes) -> None:
    lines = list(zip(changes.times, changes.lines, strict=True))
    times = {address: [at for at, line in lines if line.split()[:1] == [address]] for _, _, address in found}
    first = [times[address][0] - sent for sent, _, address in found]
    last = [times[address][-1] - sent for sent, _, address in found]
    print(f"address in the Service's status          {figures([at - sent for sent, at, _ in found])}")
    print(f"first route in the router's kernel table {figures(first)}")
    print(f"its last change: all {NODES} next hops         {figures(last)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(inside(sys.argv[1]))
    else:
        outside()

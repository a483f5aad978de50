"""BGP: from the speaker's snapshot to the router that has all routes, beside FRR sending the same to the same router.

Needs root, network namespaces and FRR. The yardstick is another FRR in the node's place: its routes stand in the
kernel, and the clock starts at `redistribute kernel`. Figures are seconds until the router's count is complete.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from speaker.ipc.messages import Route
from tests.e2e.bgp_world import (
    NODE4,
    NODE6,
    NODE_ASN,
    ROUTER4,
    ROUTER6,
    ROUTER_ASN,
    BgpWorld,
    Router,
    SpeakerEnd,
    peer,
    route,
    route6,
)
from tests.lab.wait import eventually

SIZES = (1000, 10000)
SENDER_PART = 12
SENDER = NODE4.rsplit(".", 1)[0] + f".{SENDER_PART}"
SENDER_CONFIGURATION = f"""frr defaults datacenter
hostname sender
router bgp {NODE_ASN + 1}
 bgp router-id {SENDER}
 no bgp ebgp-requires-policy
 neighbor {ROUTER4} remote-as {ROUTER_ASN}
 neighbor {ROUTER4} timers connect 1
"""


def until(condition: Callable[[], bool], what: str) -> float:
    return eventually(condition, within=120, what=what, every=0.01)


def until_count(world: BgpWorld, neighbor: str, family: str, number: int) -> float:
    return until(lambda: world.router.count(neighbor, family) == number, f"{number} routes from {neighbor}")


def until_flapped(world: BgpWorld, neighbor: str, family: str, number: int) -> float:
    before = world.router.sessions_made(neighbor)
    world.router.vtysh(f"clear bgp {family} unicast {neighbor}")
    began = time.monotonic()
    until(lambda: world.router.sessions_made(neighbor) > before, "another session")
    until_count(world, neighbor, family, number)
    return time.monotonic() - began


def megabytes(pids: list[int]) -> float:
    """Resident memory of these processes together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("VmRSS") else 0
    return total / 1024


def ours(world: BgpWorld) -> None:
    world.start_supervisor()
    speaker = world.connect()
    four, six = peer("four"), peer("six", ROUTER6)
    began = time.monotonic()
    speaker.send([four, six], [route(1, "four"), route6(1, "six")])
    until(lambda: world.router.count() == 1 and world.router.count(NODE6, "ipv6") == 1, "both sessions")
    print(f"nothing -> two sessions and a route each {time.monotonic() - began:6.2f} s")
    for size in SIZES:
        measure(world, speaker, "ipv4", [route(number, "four") for number in range(1, size + 1)])
        measure(world, speaker, "ipv6", [route6(number, "six") for number in range(1, size + 1)])


def measure(world: BgpWorld, speaker: SpeakerEnd, family: str, wanted: list[Route]) -> None:
    neighbor, size = (NODE4 if family == "ipv4" else NODE6), len(wanted)
    peers = [peer("four"), peer("six", ROUTER6)]
    speaker.send(peers, wanted)
    took = until_count(world, neighbor, family, size)
    memory = megabytes(world.space.find("node", r"speaker\.bgp|bridge\.py"))
    speaker.send(peers, [*wanted, route(70000, "four") if family == "ipv4" else route6(70000, "six")])
    more = until_count(world, neighbor, family, size + 1)
    flap = until_flapped(world, neighbor, family, size + 1)
    speaker.send(peers, [])
    gone = until_count(world, neighbor, family, 0)
    print(
        f"{family} {size:6d} routes: announced {took:5.2f} s, one more {more:5.2f} s, all back after a flap "
        f"{flap:5.2f} s, withdrawn {gone:5.2f} s, memory {memory:4.0f} MB",
        flush=True,
    )


def yardstick(world: BgpWorld) -> None:
    world.router.configure(
        f"router bgp {ROUTER_ASN}",
        f"neighbor {SENDER} remote-as {NODE_ASN + 1}",
        f"neighbor {SENDER} timers connect 1",
        "address-family ipv4 unicast",
        f"neighbor {SENDER} activate",
    )
    sender: Router = world.add_router("snd", SENDER_PART, SENDER_CONFIGURATION)
    until(lambda: world.router.count(SENDER) == 0, "the session of the yardstick")
    for size in SIZES:
        batch = world.folder / f"routes-{size}"
        prefixes = [route(number).prefix for number in range(1, size + 1)]
        batch.write_text("".join(f"route replace blackhole {prefix}\n" for prefix in prefixes))
        world.space.run("snd", "ip", "-batch", batch)
        eventually_known(sender, size)
        began = time.monotonic()
        _redistribute(sender, "redistribute kernel")
        until_count(world, SENDER, "ipv4", size)
        print(f"FRR  {size:6d} routes: announced {time.monotonic() - began:5.2f} s", flush=True)
        _redistribute(sender, "no redistribute kernel")
        until_count(world, SENDER, "ipv4", 0)


def eventually_known(sender: Router, size: int) -> None:
    until(lambda: _known(sender) >= size, "the routes in the sender")


def _known(sender: Router) -> int:
    lines = sender.vtysh("show ip route summary").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("kernel")), 0)


def _redistribute(sender: Router, command: str) -> None:
    sender.configure(f"router bgp {NODE_ASN + 1}", "address-family ipv4 unicast", command)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = BgpWorld(Path(folder))
        try:
            world.up()
            ours(world)
            yardstick(world)
        finally:
            world.down()


if __name__ == "__main__":
    main()

"""BGP: from the speaker's snapshot to the router that has all routes, beside FRR sending the same to the same router.

Needs root, network namespaces, FRR, BIRD and GoBGP, each configured as its how-to page says. The yardstick is another
FRR in the node's place: its routes stand in the kernel, and the clock starts at `redistribute kernel`. Figures are
seconds until the router's count is complete, the router's own work and the polling on the same machine included.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from speaker.ipc.messages import Route
from tests.e2e.bgp_world import NODE4, NODE6, NODE_ASN, Router, SpeakerEnd, peer, route, route6
from tests.e2e.test_bgp_routers import ADDRESSES, ALL, Trio
from tests.lab.wait import eventually

SIZES = (1000, 10000)
FAMILIES = {"ipv4": "-4", "ipv6": "-6"}
FLAPS, CHURNING = 50, 500
SENDER_PART = 12
SENDER = NODE4.rsplit(".", 1)[0] + f".{SENDER_PART}"
SENDER_CONFIGURATION = f"""frr defaults datacenter
hostname sender
router bgp {NODE_ASN}
 bgp router-id {SENDER}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
{chr(10).join(f" neighbor {address} remote-as external" for address in ADDRESSES.values())}
{chr(10).join(f" neighbor {address} timers connect 1" for address in ADDRESSES.values())}
{chr(10).join(f" neighbor {address} shutdown" for address in ADDRESSES.values())}
"""


def until(condition: Callable[[], bool], what: str) -> float:
    return eventually(condition, within=180, what=what, every=0.01)


class Bench:
    """The three routers, and how many routes each has from anybody."""

    def __init__(self, trio: Trio) -> None:
        self.trio, self.world = trio, trio.world

    def count(self, router: str, family: str = "ipv4") -> int:
        match router:
            case "bird":
                return self.trio.bird.count(family)
            case "gobgp":
                return self.trio.gobgp.count(family)
            case _:
                return sum(max(self.world.router.count(sender, family), 0) for sender in (NODE4, SENDER))

    def until_count(self, router: str, number: int, family: str = "ipv4") -> None:
        until(lambda: self.count(router, family) == number, f"{number} {family} routes at {router}")

    # --- ours

    def ours(self, speaker: SpeakerEnd) -> None:
        for router in ALL:
            for size in SIZES:
                self.announce(speaker, router, "ipv4", [route(number, router) for number in range(1, size + 1)])
            wanted = [route6(number, router) for number in range(1, SIZES[-1] + 1)]
            self.announce(speaker, router, "ipv6", wanted)

    def announce(self, speaker: SpeakerEnd, router: str, family: str, wanted: list[Route]) -> None:
        size = len(wanted)
        pids = self.world.space.find("node", r"speaker\.bgp|bridge\.py")
        worked, began = seconds_of_work(pids), time.monotonic()
        speaker.send(PEERS, wanted)
        self.until_count(router, size, family)
        took = time.monotonic() - began
        worked = seconds_of_work(pids) - worked
        memory = megabytes(pids)
        began = time.monotonic()
        speaker.send(PEERS, [*wanted, route(70000, router) if family == "ipv4" else route6(70000, router)])
        self.until_count(router, size + 1, family)
        more = time.monotonic() - began
        began = time.monotonic()
        speaker.send(PEERS, [])
        self.until_count(router, 0, family)
        gone = time.monotonic() - began
        print(
            f"ours -> {router:5} {family} {size:6d} routes: announced {took:5.2f} s (of work {worked:4.2f} s), "
            f"one more {more:5.2f} s, withdrawn {gone:5.2f} s, memory {memory:4.0f} MB",
            flush=True,
        )

    def flaps(self, speaker: SpeakerEnd) -> None:
        """The peer flaps again and again while routes change; the table must be right each time."""
        chance, wrong = random.Random(1), 0
        began = time.monotonic()
        for _ in range(FLAPS):
            numbers = set(chance.sample(range(1, 2 * CHURNING), CHURNING))
            speaker.send(PEERS, [route(number, "frr", med=chance.choice((1, 2))) for number in numbers])
            self.world.router.vtysh(f"clear bgp ipv4 unicast {NODE4}")
            expected = {route(number).prefix for number in numbers}
            try:
                eventually(lambda: set(self.world.router.routes()) == expected, within=20, what="table", every=0.02)  # noqa: B023
            except AssertionError:
                wrong += 1
        print(
            f"{FLAPS} flaps in a churn of {CHURNING}: {wrong} times wrong, {time.monotonic() - began:.1f} s", flush=True
        )

    # --- the yardstick

    def yardstick(self) -> None:
        sender: Router = self.world.add_router("snd", SENDER_PART, SENDER_CONFIGURATION)
        for router in ALL:
            address = ADDRESSES[router]
            for family in FAMILIES:
                self.redistribute(sender, family, f"neighbor {address} activate")
            sender.configure(f"router bgp {NODE_ASN}", f"no neighbor {address} shutdown")
            until(lambda: f'"{address}"' in _established(sender), f"the sender's session with {router}")  # noqa: B023
            for family, size in (("ipv4", SIZES[0]), ("ipv4", SIZES[-1]), ("ipv6", SIZES[-1])):
                self.kernel_routes(family, size, "replace")
                until(lambda: _known(sender, family) >= size, "the routes in the sender")  # noqa: B023
                pids = self.world.space.find("snd", "/bgpd|/zebra")
                worked, began = seconds_of_work(pids), time.monotonic()
                self.redistribute(sender, family, "redistribute kernel")
                self.until_count(router, size, family)
                took, worked = time.monotonic() - began, seconds_of_work(pids) - worked
                said = f"FRR  -> {router:5} {family} {size:6d} routes: announced {took:5.2f} s"
                print(f"{said} (of work {worked:4.2f} s)", flush=True)
                self.redistribute(sender, family, "no redistribute kernel")
                self.until_count(router, 0, family)
                self.kernel_routes(family, size, "del")
                until(lambda: _known(sender, family) == 0, "no routes in the sender")  # noqa: B023
            sender.configure(f"router bgp {NODE_ASN}", f"neighbor {address} shutdown")

    def kernel_routes(self, family: str, size: int, verb: str) -> None:
        batch = self.world.folder / f"routes-{family}-{size}-{verb}"
        make = route if family == "ipv4" else route6
        prefixes = [make(number).prefix for number in range(1, size + 1)]
        batch.write_text("".join(f"route {verb} blackhole {prefix}\n" for prefix in prefixes))
        self.world.space.run("snd", "ip", FAMILIES[family], "-batch", batch)

    def redistribute(self, sender: Router, family: str, command: str) -> None:
        sender.configure(f"router bgp {NODE_ASN}", f"address-family {family} unicast", command)


def _established(sender: Router) -> str:
    return sender.vtysh("show bgp summary established json")


def _known(sender: Router, family: str) -> int:
    lines = sender.vtysh(f"show {'ip' if family == 'ipv4' else 'ipv6'} route summary").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("kernel")), 0)


def seconds_of_work(pids: list[int]) -> float:
    """CPU time of these processes so far: it depends less on what else the machine does."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(entry[11]) + int(entry[12]) for entry in fields) / os.sysconf("SC_CLK_TCK")


def megabytes(pids: list[int]) -> float:
    """Resident memory of these processes together."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


PEERS = [peer(name, ADDRESSES[name], families=("ipv4", "ipv6"), next_hop_v6=NODE6) for name in ALL]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trio = Trio(Path(folder))
        try:
            trio.up()
            trio.world.start_supervisor()
            speaker = trio.world.connect()
            began = time.monotonic()
            speaker.send(PEERS, [route(1, *ALL)])
            trio.have(1)
            print(f"nothing -> three sessions and a route each {time.monotonic() - began:6.2f} s", flush=True)
            speaker.send(PEERS, [])
            trio.have(0)
            bench = Bench(trio)
            bench.ours(speaker)
            bench.flaps(speaker)
            speaker.send([], [])
            bench.yardstick()
        finally:
            trio.down()


if __name__ == "__main__":
    main()

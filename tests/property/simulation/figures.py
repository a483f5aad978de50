"""python -m tests.property.simulation.figures [--seeds 200]: how long things take, and what they cost."""

import argparse
from collections.abc import Callable
from statistics import median

from speaker.announcer.ownership.events import Announce, Unwilling
from tests.property.simulation.lan import Quality
from tests.property.simulation.world import Setting, World

HICCUPS = Quality(hiccups=0.002)
Fault = Callable[[World, str, str], object]


def settled(seed: object, setting: Setting) -> tuple[World, str, str]:
    """A cluster in peace; the owner of its first address, and the next candidate."""
    world = World(seed, setting)
    world.start_all()
    world.run(3.0 + world.rng.random())
    world.checks.forget()
    order = world.nodes["n0"].entries[world.addresses[0]].candidates
    return world, order[0], order[1]


def gaps(name: str, seeds: int, setting: Setting, fault: Fault, *, after: float = 4.0) -> None:
    """Print how long an address was answered by nobody, or by two."""
    found, doubles, broken = [], [], 0
    for seed in range(seeds):
        world, first, second = settled(f"{name}/{seed}", setting)
        fault(world, first, second)
        world.run_for(after)
        found.append(world.checks.longest_gap)
        doubles.append(world.checks.longest_double)
        broken += bool(world.checks.broken)
    found.sort()
    p99 = found[min(len(found) - 1, int(len(found) * 0.99))]
    print(
        f"| {name} | {seeds} | {median(found):.3f} | {p99:.3f} | {found[-1]:.3f} | {max(doubles):.3f} | {broken} |",
        flush=True,
    )


def kill_second_later(later: float) -> Fault:
    def fault(world: World, first: str, second: str) -> None:
        world.kill(first)
        world.at(world.now + later, world.kill, second)

    return fault


def frozen(seconds: float) -> Fault:
    def fault(world: World, first: str, _: str) -> None:
        world.freeze(first)
        world.at(world.now + seconds, world.thaw, first)

    return fault


def restarted(seconds: float, *, remembers: bool) -> Fault:
    def fault(world: World, first: str, _: str) -> None:
        world.kill(first)
        world.at(world.now + seconds, lambda: world.start(first, remembers=remembers))

    return fault


def island(world: World, first: str, _: str) -> None:
    world.split({first})
    world.at(world.now + 3, lambda: world.split({first}, by=-1))


def takeovers(seeds: int) -> None:
    """Of one address."""
    print("| what | seeds | median gap | p99 | longest gap | longest double | broken |\n|---|---|---|---|---|---|---|")
    three, lossy = Setting(quality=HICCUPS), Setting(quality=Quality(loss=0.01, hiccups=0.002))
    gaps("owner killed, N = 3", seeds * 2, three, lambda world, first, _: world.kill(first))
    gaps("owner's carrier lost, N = 3", seeds, three, lambda world, first, _: world.set_carrier(first, up=False))
    gaps("owner cut, loss 1 %, N = 3", seeds, lossy, lambda world, first, _: world.set_carrier(first, up=False))
    gaps("owner deaf, N = 3", seeds, three, lambda world, first, _: world.set_deaf(first, deaf=True))
    two, twenty = Setting(nodes=2, quality=HICCUPS), Setting(nodes=20, quality=HICCUPS)
    gaps("owner killed, N = 2", seeds, two, lambda world, first, _: world.kill(first))
    gaps("owner killed, N = 20", max(5, seeds // 10), twenty, lambda world, first, _: world.kill(first))
    fast = Setting(quality=HICCUPS, interval=0.1)
    gaps("owner killed, 100 ms x 3, N = 3", seeds, fast, lambda world, first, _: world.kill(first))
    for later in (0.0, 0.3, 0.7):
        gaps(f"second killed {later} s later, N = 3", seeds, three, kill_second_later(later))
    for seconds in (0.25, 0.5, 0.7, 0.8, 1.0, 3.0):
        gaps(f"owner frozen {seconds} s, N = 3", seeds, three, frozen(seconds), after=seconds + 4)
    for seconds in (0.1, 0.3, 0.6, 2.0):
        for remembers in (True, False):
            name = f"announcer restarts after {seconds} s, {'with' if remembers else 'without'} snapshot"
            gaps(name, seeds // 2, three, restarted(seconds, remembers=remembers), after=seconds + 4)
    moved = Setting(addresses=50, quality=Quality(loss=0.01))
    drain: Fault = lambda world, first, _: world.decline(first, Unwilling.DRAIN)  # noqa: E731
    gaps("drained, 50 addresses, loss 1 %", max(5, seeds // 10), moved, drain)
    gaps("island heals, N = 3", seeds, three, island, after=7)


def costs() -> None:
    """Datagrams of one death; packets of a steady second."""
    print("\n| death of a node that owned | datagrams | of them CLAIM, SUSPECT, HELLO | ARP probes | last answered |")
    print("|---|---|---|---|---|")
    for nodes, addresses in ((3, 1000), (3, 10000), (20, 1000)):
        world = World("costs", Setting(nodes=nodes, addresses=addresses))
        for node in world.nodes.values():
            for entry in list(node.entries.values()):
                rest = tuple(name for name in entry.candidates if name != "n0")
                node.entries[entry.address] = Announce(entry.address, ("n0", *rest))
        world.start_all()
        world.run(4)
        world.datagrams.clear()
        world.lan.sent.clear()
        world.kill("n0")
        world.run_for(1.5)
        kinds = ", ".join(str(world.datagrams[kind]) for kind in ("Claims", "Suspect", "Hello"))
        total, probes = world.datagrams.total(), world.lan.sent["probe"]
        gap = world.checks.longest_gap
        print(f"| {addresses}, N = {nodes} | {total} | {kinds} | {probes} | {gap:.3f} s |", flush=True)
    print("\n| steady, per node and second | BFD packets sent | datagrams sent |\n|---|---|---|")
    for nodes in (3, 20, 100):
        world = World("steady", Setting(nodes=nodes))
        world.start_all()
        world.run(6)
        world.datagrams.clear()
        world.lan.sent.clear()
        world.run_for(4)
        per = 4 * nodes
        print(f"| N = {nodes} | {world.lan.sent['bfd'] / per:.1f} | {world.datagrams.total() / per:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    takeovers(parser.parse_args().seeds)
    costs()


if __name__ == "__main__":
    main()

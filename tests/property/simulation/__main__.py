"""python -m tests.property.simulation --seeds 2000 [--first 1] [--jobs 2] [--family mixed]: run many seeds.

A seed that breaks an invariant is printed with the story of its faults, one that does not end with where it was;
`--seeds 1 --first K --family F` replays it.
"""

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap
from types import FrameType

from tests.property.simulation.checks import Broken
from tests.property.simulation.families import Outcome, run

FAMILIES = ("mixed", "calm")
PATIENCE = 300  # seconds of this machine for one seed; the longest takes about ten


class Hung(Exception):
    """A seed took far too long."""


def _hung(_: int, frame: FrameType | None) -> None:
    raise Hung("".join(traceback.format_stack(frame, limit=8)))


def one(family: str, seed: int) -> Outcome:
    """Run one seed, and give up on it when it does not end."""
    signal.signal(signal.SIGALRM, _hung)
    signal.alarm(PATIENCE)
    gc.disable()  # a world is garbage as a whole, when its seed is done
    try:
        return run(family, seed)
    except Hung as error:
        return Outcome(family, seed, (Broken("Hung", 0.0, str(error)),), 0.0, 0.0, ())
    finally:
        signal.alarm(0)
        gc.collect()


def outcomes(tasks: list[tuple[str, int]], jobs: int) -> Iterator[Outcome]:
    """Run the seeds on so many processes."""
    if jobs == 1:
        yield from starmap(one, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one, *zip(*tasks, strict=True), chunksize=8)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--family", choices=FAMILIES)
    chosen = parser.parse_args()
    families = (chosen.family,) if chosen.family else FAMILIES
    count = -(-chosen.seeds // len(families))
    tasks = [(family, chosen.first + number) for number in range(count) for family in families]
    begun, broken = time.monotonic(), 0
    double = {family: 0.0 for family in families}
    for outcome in outcomes(tasks, chosen.jobs):
        double[outcome.family] = max(double[outcome.family], outcome.longest_double)
        if outcome.broken:
            broken += 1
            print(
                f"--- {outcome.family} seed {outcome.seed}", *outcome.story, *outcome.broken[:5], sep="\n", flush=True
            )
    seconds = time.monotonic() - begun
    print(f"{len(tasks)} seeds from {chosen.first}, {broken} broken, {seconds:.0f} s; longest double answer: {double}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

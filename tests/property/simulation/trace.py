"""python -m tests.property.simulation.trace mixed:7 calm:12 ...: one digest per seed of everything that happened.

Two processes print the same. Where they do not, something depends on what differs between processes.
"""

import sys

from tests.property.simulation.families import trace


def main() -> None:
    for word in sys.argv[1:]:
        family, seed = word.split(":")
        print(word, trace(family, int(seed)), flush=True)


if __name__ == "__main__":
    main()

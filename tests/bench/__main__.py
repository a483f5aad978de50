"""Runs every benchmark of this folder in a process of its own: `python -m tests.bench [NAME ...]`.

Each prints figures and, where there is a yardstick, the ratio to it in the same run. Nothing here passes or fails.
"""

import subprocess
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    found = {path.stem.removeprefix("bench_"): path for path in sorted(Path(__file__).parent.glob("bench_*.py"))}
    unknown = [name for name in names if name not in found]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or found:
        print(f"== {name}", flush=True)
        result = subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=False)
        if result.returncode != 0:
            failed.append(name)
    if failed:
        print(f"did not finish: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Coverage-guided fuzzing of every parser: `make fuzz TARGET=arp_frame SECONDS=3600`; all targets without TARGET.

It begins with the vectors of tests/fuzz/vectors/TARGET, keeps what it found under build/fuzz, and ends at the first
crash: keep the input that it prints as a vector, where `make check` tries it for ever, and mend the parser.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]


def fuzz(target: str, seconds: int) -> None:
    """Run one target in this process; libFuzzer ends it."""
    with atheris.instrument_imports(include=["lb_controller", "speaker"]):
        from tests.fuzz.targets import TARGETS, VECTORS  # noqa: PLC0415 - instrumented while it is imported
    corpus = ROOT / "build" / "fuzz" / target
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus.parent}/{target}-", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *flags, f"{corpus}", f"{VECTORS / target}"], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*TARGETS], help="one of them; all when there is none")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    options = parser.parse_args()
    failed = []
    for target in [options.target] if options.target else TARGETS:
        command = [sys.executable, "-c", f"from tests.fuzz.__main__ import fuzz; fuzz({target!r}, {options.seconds})"]
        print(f"== {target}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(target)
    if failed:
        print(f"crashed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

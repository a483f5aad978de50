"""`make demo`, and with it the tutorial, whose commands are the demo's: from nothing to the table, and away again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.namespaces import Namespaces

pytestmark = [pytest.mark.e2e, pytest.mark.nodes]
ROOT = Path(__file__).parents[2]
NAME = f"demo{os.getpid()}"


@pytest.mark.timeout(600)
def test_the_demo_shows_the_main_job_and_leaves_nothing() -> None:
    command = [sys.executable, "-m", "tests.lab.demo", NAME]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "KEEP": ""}
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    said = [line.strip() for line in result.stdout.splitlines()]
    table = said[said.index(next(line for line in said if line.endswith("Summary"))) + 1 :]
    assert any(line.startswith("address of Service web ") and "192.168.77.200" in line for line in table)
    assert any(line.startswith("route at the router") and line.count("192.168.77.1") == 3 for line in table), (
        "the router knows three next hops"
    )
    assert any(line.startswith("after the restart of all pods") and "still 192.168.77.200" in line for line in table)
    assert any(line.startswith("link of the owner cut") and "192.168.77.200 answers from" in line for line in table)
    assert Namespaces(f"hl-{NAME}-").existing() == []

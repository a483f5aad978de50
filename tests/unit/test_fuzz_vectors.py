"""Every vector of the fuzzer: inputs that once crashed a parser, and good ones to begin with."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, VECTORS

FOUND = sorted(path for path in VECTORS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_vector_crashes_its_parser(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_vectors() -> None:
    assert {path.parent.name for path in FOUND} == set(TARGETS)

"""What the CRDs refuse, parse refuses too: a cluster may hold objects from before the schema."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lb_controller.model.config import Origin
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.objects import RawObject

TABLES = Path(__file__).parents[3] / "conformance" / "crds"


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((TABLES / name).read_text())
    return found


def raw(row: dict[str, Any]) -> RawObject:
    return RawObject(row["kind"], Origin.HERALDLB, {"metadata": {"name": "x"}, "spec": row["spec"]})


@pytest.mark.parametrize("row", [row for row in rows("bad.yaml") if row.get("parse", True)], ids=str)
def test_bad_objects_have_a_problem_that_names_kind_and_object(row: dict[str, Any]) -> None:
    _, problems = parse_config([raw(row)])
    assert problems, "parse took what the API server refuses"
    assert all(str(problem).startswith(f"{row['kind']} x spec") for problem in problems), list(map(str, problems))


@pytest.mark.parametrize("row", rows("good.yaml"), ids=str)
def test_good_objects_have_none(row: dict[str, Any]) -> None:
    config, problems = parse_config([raw(row)])
    assert not problems
    kinds = (config.pools, config.l2_advertisements, config.bgp_advertisements, config.bgp_peers, config.bfd_profiles)
    assert sum(map(len, kinds)) == (0 if row["kind"] == "Community" else 1)

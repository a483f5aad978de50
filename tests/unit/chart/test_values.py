"""values.yaml and values.schema.json walked against each other: same keys, all strict, each explained in place."""

from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, resolve, schema, values
from tests.unit.chart.test_chart import KUBE_VERSION, attempt

VALUES = values()


def strict(part: dict[str, Any], whole: dict[str, Any], path: str) -> list[str]:
    """The paths of objects of ours that would let a misspelt key through."""
    part = resolve(part, whole)
    found = []
    if "properties" in part:
        found += [path] if part.get("additionalProperties", True) is not False else []
        for key, below in part["properties"].items():
            found += strict(below, whole, f"{path}.{key}")
    return found


def test_values_and_schema_name_the_same_keys_everywhere() -> None:
    whole = schema()

    def compare(here: dict[str, Any], part: dict[str, Any], path: str) -> None:
        assert set(here) == set(part["properties"]), f"values.yaml and values.schema.json differ at {path or 'the top'}"
        for key, value in here.items():
            below = resolve(part["properties"][key], whole)
            if set(below.get("required", ())) == set(below.get("properties", {})) != set():
                compare(value, below, f"{path}.{key}")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), whole, "")


def test_no_object_of_the_schema_lets_an_unknown_key_through() -> None:
    assert strict(schema(), schema(), "") == []


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ".".join(value.path))
def test_every_value_is_explained_by_the_line_above_it(value: Any) -> None:
    assert len(value.comment) > 3, f"{'.'.join(value.path)} has no comment in values.yaml"


LEAVES = [value for value in VALUES if value.leaf]


def wrong_type(default: object) -> str:
    """A value that is of no type that the default could have."""
    return "7" if isinstance(default, str) else '"text"' if not isinstance(default, list) else "{}"


@pytest.mark.parametrize("value", LEAVES, ids=lambda value: ".".join(value.path))
def test_every_value_refuses_what_is_of_another_type(value: Any) -> None:
    path = "/" + "/".join(value.path)
    dotted = ".".join(key.replace(".", r"\.") for key in value.path)
    result = attempt(
        "template", "x", CHART, "--kube-version", KUBE_VERSION, "--set-json", f"{dotted}={wrong_type(value.default)}"
    )
    assert result.returncode != 0, f"{path} takes {wrong_type(value.default)}"
    assert path in result.stderr


def test_a_misspelt_key_in_any_part_is_refused_by_its_name() -> None:
    parts = {value.path[:-1] for value in VALUES}
    assert len(parts) > 20
    for part in sorted(parts):
        path = ".".join((*part, "misspeltKey"))
        result = attempt("template", "x", CHART, "--kube-version", KUBE_VERSION, "--set", f"{path}=1")
        assert result.returncode != 0, path
        assert "misspeltKey" in result.stderr, path

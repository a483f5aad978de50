"""The chart's values as its files say them: keys, defaults and comments of values.yaml beside values.schema.json."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "heraldlb"


@dataclass(frozen=True)
class Value:
    """One key of values.yaml; `leaf` when users give it as a whole."""

    path: tuple[str, ...]
    default: Any
    comment: str
    leaf: bool


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def resolve(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The schema that a $ref leads to."""
    if "$ref" in part:
        found: dict[str, Any] = whole["definitions"][part["$ref"].rsplit("/", 1)[-1]]
        return found
    return part


def values() -> list[Value]:
    """Every key that the schema knows, in the order of values.yaml, with the comment above it."""
    comments = dict(_comments((CHART / "values.yaml").read_text().splitlines()))
    whole = schema()
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    return list(_walk(defaults, whole, whole, (), comments))


def _walk(
    here: dict[str, Any], part: dict[str, Any], whole: dict[str, Any], path: tuple[str, ...], comments: dict[Any, str]
) -> Iterator[Value]:
    for key, default in here.items():
        below = resolve(part["properties"].get(key, {}), whole)
        inner = set(below.get("required", ())) == set(below.get("properties", {})) != set()
        where = (*path, key)
        yield Value(where, default, comments.get(where, ""), not inner)
        if inner:
            yield from _walk(default, below, whole, where, comments)


def _comments(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in lines:
        comment = re.match(r"^ *# ?(.*)$", line)
        key = re.match(r"^( *)([A-Za-z][\w./-]*):", line)
        if comment:
            above.append(comment[1])
            continue
        if key:
            depth = len(key[1])
            path = [entry for entry in path if entry[0] < depth] + [(depth, key[2])]
            yield tuple(name for _, name in path), " ".join(above)
        above = []

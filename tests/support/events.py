"""Every log line that the code can write: found in the source, because an event name is a plain word there."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("lb_controller", "speaker") for path in (ROOT / package).rglob("*.py"))
LEVELS = ("debug", "info", "warning", "error", "exception")
_LOGGER = re.compile(r"(self\.)?_?log|logger\(.*\)|say")
# `say = log.warning if ... else log.info`: the level is known at run time only.
_EITHER = "info or warning"


@dataclass(frozen=True)
class Line:
    """One call of a logger; `events` are the names that it may write."""

    path: Path
    number: int
    level: str
    call: ast.Call
    events: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.number}"

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def fields(self) -> list[str]:
        return [keyword.arg or f"**{ast.unparse(keyword.value)}" for keyword in self.call.keywords]


def lines() -> Iterator[Line]:
    """All of them, in the order of files and lines; one whose name is a variable has no `events`."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                if _LOGGER.fullmatch(ast.unparse(node.func.value)):
                    yield Line(path, node.lineno, node.func.attr, node, _events(node))
            elif isinstance(node.func, ast.Name) and node.func.id == "say" and _events(node):
                yield Line(path, node.lineno, _EITHER, node, _events(node))


def _events(call: ast.Call) -> tuple[str, ...]:
    first = call.args[0] if call.args else None
    found = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return tuple(str(part.value) for part in found if isinstance(part, ast.Constant))

"""The shape of the code: import contracts hold, functions and files stay small, decisions stay pure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES = 60
FILE_LINES = 300
SOURCES = sorted(path for package in ("lb_controller", "speaker") for path in (ROOT / package).rglob("*.py"))
LIBRARY = sorted(path for path in (ROOT / "tests" / "lab").rglob("*.py"))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("path", SOURCES + LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES, f"{path} has more than {FILE_LINES} lines"
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in functions(ast.parse(text))
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long, f"{path}: longer than {FUNCTION_LINES} lines: {', '.join(long)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_decides(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text().strip():
        return
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_avoid_empty_words(path: Path) -> None:
    banned = {"manager", "helper", "helpers", "util", "utils", "common", "base", "data", "info"}
    words = set(path.stem.split("_"))
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            words |= {word.lower() for word in _camel(node.name)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            words |= set(node.name.strip("_").split("_"))
    assert not words & banned, f"{path}: {sorted(words & banned)} say nothing; see the table of words"


def _camel(name: str) -> list[str]:
    parts, start = [], 0
    for index in range(1, len(name)):
        if name[index].isupper() and not name[index - 1].isupper():
            parts.append(name[start:index])
            start = index
    return [*parts, name[start:]]


def test_dependencies_are_pinned_and_each_has_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    for line in lines[start + 1 : lines.index("]", start)]:
        assert "==" in line or ">=" in line, f"no version: {line}"
        assert "# " in line, f"no reason: {line}"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_hold_hashes_and_name_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text

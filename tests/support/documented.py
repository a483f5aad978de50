"""Commands and manifests of the tutorials and how-tos, as a reader would copy them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("tutorials/*.md")),
    *sorted((ROOT / "docs").glob("how-to/*.md")),
]


@dataclass(frozen=True)
class Found:
    """A command or manifest and where it stands."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:60]}"


def commands() -> list[Found]:
    """Every line of the blocks that are indented by four; a line that ends in a backslash goes on in the next."""
    found = []
    for path in PAGES:
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        text = text.replace("\\\n", " ")
        for block in re.findall(r"(?:^|\n\n)((?: {4}\S.*(?:\n|$))+)", text):
            lines = (" ".join(line.split()) for line in block.splitlines())
            found += [Found(_name(path), line) for line in lines if not line.startswith("#")]
    return found


def manifests() -> list[Found]:
    """Every YAML block that is an object of Kubernetes."""
    found = []
    for path in PAGES:
        blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(), flags=re.DOTALL)
        found += [Found(_name(path), block) for block in blocks if "kind:" in block]
    return found


def sets(command: str) -> Iterator[tuple[str, str]]:
    """The values that a helm command sets."""
    yield from re.findall(r"--set[ =]([\w.]+)=(\S+)", command)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))

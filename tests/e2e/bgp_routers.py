"""BIRD and GoBGP as routers of the BGP tests, beside FRR (`bgp_world.Router`).

Their configurations are those of the how-to pages.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.e2e.bgp_world import ROOT
from tests.lab.namespaces import Namespaces
from tests.lab.wait import eventually

BIRD_PART, GOBGP_PART = 3, 4


def documented(page: str, language: str, number: int = 0) -> str:
    """A configuration of docs/how-to/bgp-PAGE.md, as its reader would copy it."""
    text = (ROOT / "docs" / "how-to" / f"bgp-{page}.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)[number]


class Bird:
    """One BIRD 2 in the namespace `member`."""

    def __init__(self, space: Namespaces, member: str, folder: Path) -> None:
        self.space, self.member, self.folder = space, member, folder
        self.control = Path(f"/tmp/{space.name(member)}.ctl")  # short: the path of a socket has 107 characters

    def start(self, configuration: str) -> None:
        file = self.folder / "bird.conf"
        file.write_text(configuration)
        self.space.start(self.member, ["bird", "-f", "-c", file, "-s", self.control], self.folder / "bird.log")
        eventually(self.control.exists, within=10, what="BIRD's control socket", every=0.02)

    def birdc(self, *words: str) -> str:
        return self.space.run(self.member, "birdc", "-s", self.control, *words)

    def remove(self) -> None:
        self.control.unlink(missing_ok=True)

    def count(self, family: str = "ipv4") -> int:
        table = {"ipv4": "master4", "ipv6": "master6"}[family]
        found = re.search(r"(\d+) of \d+ routes", self.birdc("show", "route", "table", table, "count"))
        return int(found[1]) if found else 0

    def route(self, prefix: str) -> str:
        return self.birdc("show", "route", "for", prefix, "all")

    def established(self) -> int:
        return self.birdc("show", "protocols").count("Established")


class Gobgp:
    """One GoBGP in the namespace `member`."""

    def __init__(self, space: Namespaces, member: str, folder: Path) -> None:
        self.space, self.member, self.folder = space, member, folder

    def start(self, configuration: str) -> None:
        file = self.folder / "gobgp.toml"
        file.write_text(configuration)
        command = ["gobgpd", "-f", file, "--api-hosts", "127.0.0.1:50051"]
        self.space.start(self.member, command, self.folder / "gobgpd.log")
        eventually(lambda: self._try("global") is not None, within=15, what="GoBGP's API", every=0.1)

    def count(self, family: str = "ipv4") -> int:
        summary = json.loads(self._try("global", "rib", "summary", "-a", family) or "{}")
        return int(summary.get("num_destination", 0))

    def table(self, family: str = "ipv4") -> dict[str, list[dict[str, Any]]]:
        return dict(json.loads(self._try("global", "rib", "-a", family) or "{}"))

    def attributes(self, prefix: str, family: str = "ipv4") -> dict[int, dict[str, Any]]:
        """The attributes of the first path, by their number (RFC 4271)."""
        paths = self.table(family).get(prefix, [])
        return {int(entry["type"]): entry for entry in paths[0]["attrs"]} if paths else {}

    def _try(self, *words: str) -> str | None:
        try:
            return self.space.run(self.member, "gobgp", "-j", *words)
        except Exception:
            return None

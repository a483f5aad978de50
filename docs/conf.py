"""The documentation as HTML: `make html`. Every warning is an error: a link that leads nowhere, a page that nobody reaches."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

project = "HeraldLB"
author = "the authors of HeraldLB"
copyright = "2026, the authors of HeraldLB"
version = release = next(
    line.split('"')[1] for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version = ")
)

extensions = ["myst_parser"]
root_doc = "index"
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "README.md"]  # index.md includes it
nitpicky = True
# Configurations of routers whose language the highlighter does not know are shown as they are.
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 3  # the same anchors that GitHub makes
html_theme = "furo"
html_title = f"HeraldLB {release}"

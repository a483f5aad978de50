"""The documentation as a site: builds from its own pinned environment, and a link that leads nowhere stops it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e  # installs packages
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder with the environment `venv` and the pages `html`, as `make html` makes both."""
    folder = tmp_path_factory.mktemp("site")
    words = ["make", "html", f"DOCS={folder / 'venv'}", f"SITE={folder / 'html'}", f"PYTHON={sys.executable}"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    yield folder
    shutil.rmtree(folder)


def test_every_page_is_there_and_in_the_contents(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert all((site / "html" / page).exists() for page in pages - {Path("README.html")})
    index = (site / "html" / "index.html").read_text()
    assert all(f'href="{page}"' in index for page in pages - {Path("README.html"), Path("index.html")})


def test_tables_and_code_came_through(site: Path) -> None:
    text = (site / "html" / "reference" / "chart-values.html").read_text()
    assert len(re.findall(r"<tr\b", text)) > 150


def test_a_link_that_leads_nowhere_stops_the_build(site: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "docs" / "faq.md").open("a") as page:
        page.write("\nSee [that](reference/metrics.md#there-is-none).\n")
    words = ["-W", "--keep-going", "-n", "-q", "-b", "html", str(tmp_path / "docs"), str(tmp_path / "html")]
    result = subprocess.run([site / "venv/bin/sphinx-build", *words], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "there-is-none" in result.stderr

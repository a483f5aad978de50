"""The alerts under the real promtool: every row of tests/conformance/alerts.yaml fires what it says, or nothing."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import packages

pytestmark = pytest.mark.e2e  # promtool is a Debian package that the lab installs
ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "heraldlb" / "files" / "alerts.yaml"
ROWS: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "conformance" / "alerts.yaml").read_text())


@pytest.fixture(scope="module")
def promtool() -> str:
    packages.install()
    return packages.NEEDED["prometheus"]


def severities() -> dict[str, str]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"]}


def test_promtool_finds_nothing_wrong(promtool: str) -> None:
    result = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", RULES], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['alert']}: {row['name']}")
def test_an_alert_fires_for_its_cause_and_for_no_other(promtool: str, tmp_path: Path, row: dict[str, Any]) -> None:
    plain = yaml.safe_load(RULES.read_text())
    for rule in plain["groups"][0]["rules"]:
        del rule["annotations"]  # promtool would compare their text; `check rules` has read the templates
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(plain))
    severity = severities()[row["alert"]]
    expected = [{"exp_labels": {"severity": severity, **labels}} for labels in row["fires"]]
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": str(text)} for series, text in row["series"].items()],
        "alert_rule_test": [{"eval_time": f"{row['at']}m", "alertname": row["alert"], "exp_alerts": expected}],
    }
    file = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(file))
    command = [promtool, "test", "rules", tmp_path / "test.yaml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr

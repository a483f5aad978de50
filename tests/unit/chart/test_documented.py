"""helm commands of the documentation render with the values that they set."""

import pytest

from tests.support.documented import Found, commands, sets
from tests.unit.chart.test_chart import CHART, KUBE_VERSION, attempt

HELM = [found for found in commands() if "helm " in found.text and "--set" in found.text]


@pytest.mark.parametrize("command", HELM, ids=str)
def test_the_chart_takes_what_the_documentation_sets(command: Found) -> None:
    words = [word for key, value in sets(command.text) for word in ("--set", f"{key}={value}")]
    result = attempt("template", "heraldlb", CHART, "--kube-version", KUBE_VERSION, *words)
    assert result.returncode == 0, result.stderr

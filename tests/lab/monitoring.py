"""The CustomResourceDefinitions of the Prometheus operator, as its own module in the Go registry has them."""

import json
from pathlib import Path

from tests.lab.programs import find_go
from tests.lab.shell import LabError, run

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
KINDS = ("podmonitors", "servicemonitors", "prometheusrules")


def crds() -> list[Path]:
    """Of the kinds that the chart makes. Raises LabError for another content than was pinned."""
    found = json.loads(run([find_go(), "mod", "download", "-json", MODULE], timeout=300))
    if found["Sum"] != SUM:
        raise LabError(f"{MODULE} has the checksum {found['Sum']}, not {SUM}")
    folder = Path(found["Dir"]) / "example" / "prometheus-operator-crd"
    return [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in KINDS]

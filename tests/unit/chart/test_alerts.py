"""Alerts and dashboard speak of metrics that exist, say what to do, and reach the cluster as the values say."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.support import reference
from tests.support.chart import CHART
from tests.unit.chart.test_chart import attempt, one, render

ALERTS: list[dict[str, Any]] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"][0]["rules"]
ROWS: list[dict[str, Any]] = yaml.safe_load((reference.ROOT / "tests" / "conformance" / "alerts.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
METRICS = {name for process in reference.registries() for name in reference.metrics(process)}
LABELS = {name: labels for process in reference.registries() for name, labels in reference.labels_of(process).items()}
OF_PROMETHEUS = {"instance"}


def spoken_of(expression: str) -> set[str]:
    return set(re.findall(r"\bheraldlb_\w+", expression))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_speaks_of_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    used = spoken_of(rule["expr"])
    assert used
    assert used <= METRICS
    labels = {label for name in used for label in LABELS[name]} | OF_PROMETHEUS
    text = " ".join(rule["annotations"].values())
    grouped = set(re.findall(r"by \(([^)]*)\)", rule["expr"]))
    named = {word.strip() for part in grouped for word in part.split(",")} | set(re.findall(r"\{(\w+)=", rule["expr"]))
    assert named | set(re.findall(r"\$labels\.(\w+)", text)) <= labels


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_duration_and_two_sentences(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_is_fired_and_kept_quiet_by_a_row() -> None:
    fired = {row["alert"] for row in ROWS if row["fires"]}
    quiet = {row["alert"] for row in ROWS if not row["fires"]}
    assert fired == quiet == {rule["alert"] for rule in ALERTS}


def test_every_alert_has_its_paragraph_in_the_documentation() -> None:
    text = (reference.REFERENCE / "alerts.md").read_text()
    headings = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
    assert headings == [rule["alert"] for rule in ALERTS]


def test_the_rule_object_holds_the_alerts_that_are_not_disabled_with_the_labels_that_are_asked_for() -> None:
    extra = [{"alert": "Mine", "expr": "up == 0"}]
    given = {
        "enabled": True,
        "additionalLabels": {"release": "prom"},
        "annotations": {"note": "kept"},
        "alertLabels": {"team": "network"},
        "disabled": ["HeraldLBLoopLag"],
        "extraAlerts": extra,
    }
    found = one(render({"prometheus": {"prometheusRule": given}}), "PrometheusRule", "heraldlb")
    assert found["metadata"]["labels"]["release"] == "prom"
    assert found["metadata"]["annotations"] == {"note": "kept"}
    ours, mine = found["spec"]["groups"]
    assert mine == {"name": "heraldlb-extra", "rules": extra}
    wanted = [rule for rule in ALERTS if rule["alert"] != "HeraldLBLoopLag"]
    assert ours["rules"] == [{**rule, "labels": {**rule["labels"], "team": "network"}} for rule in wanted]


def test_disabling_an_alert_that_does_not_exist_is_refused_by_its_name() -> None:
    rule = {"enabled": True, "disabled": ["HeraldLBPoolFul"]}
    result = attempt(
        "template", "x", CHART, "--kube-version", "1.35.0", values={"prometheus": {"prometheusRule": rule}}
    )
    assert "HeraldLBPoolFul;" in result.stderr


def test_the_dashboard_reaches_grafana_s_sidecar_unchanged() -> None:
    given = {"enabled": True, "labels": {"dashboards": "yes"}, "annotations": {"folder": "network"}}
    found = one(render({"prometheus": {"dashboard": given}}), "ConfigMap", "heraldlb-dashboard")
    assert json.loads(found["data"]["heraldlb.json"]) == DASHBOARD
    assert found["metadata"]["labels"]["dashboards"] == "yes"
    assert found["metadata"]["annotations"] == {"folder": "network"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_and_labels_that_exist(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        used = spoken_of(target["expr"])
        assert used
        assert used <= METRICS, target["expr"]
        labels = {label for name in used for label in LABELS[name]} | OF_PROMETHEUS
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_the_dashboard_shows_most_of_what_is_measured() -> None:
    """The rest is for a closer look: why a command was refused, how often a program restarted."""
    shown = {name for panel in PANELS for target in panel["targets"] for name in spoken_of(target["expr"])}
    assert len(shown) >= 0.7 * len(METRICS), f"not shown: {', '.join(sorted(METRICS - shown))}"


def test_panels_lie_beside_each_other_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))

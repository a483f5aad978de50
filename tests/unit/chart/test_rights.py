"""The rights of each process, as the documentation lists them, and every setting as the chart gives it."""

import pytest

from lb_controller.runtime.settings import describe
from tests.support.reference import ROOT, SETTINGS, table
from tests.unit.chart.test_chart import containers, one, render, rules

# Given by the pod itself, or by a file.
NOT_BY_FLAG = {"--identity", "--kubeconfig", "--log-level"}


def rights_table() -> str:
    """Every rule of every role as it is rendered by default."""
    rows = []
    for role, rule in rules(render()):
        groups = ", ".join(group or "core" for group in rule["apiGroups"])
        named = f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
        rows.append(f"| {role} | {groups} | {', '.join(rule['resources'])}{named} | {', '.join(rule['verbs'])} |")
    return table(" role | API group | resources | verbs ", rows)


def test_the_documentation_lists_every_right_as_it_is() -> None:
    wanted = rights_table()
    text = (ROOT / "docs" / "explanation" / "security.md").read_text()
    assert wanted in text, f"write this table:\n{wanted}"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_of_every_process_is_given_by_the_chart(name: str) -> None:
    given = {
        "excludeInterfaces": {"patterns": ["^eth1$"]},
        "ownership": {"interface": "eth1", "keySecret": "keys"},
        "nodeSelector": {"role": "edge"},
    }
    objects = render({"speaker": given})
    found = {**containers(objects), "test": one(objects, "Pod", "heraldlb-test")["spec"]["containers"][0]}[name]
    given = {argument.partition("=")[0] for argument in found["args"]}
    assert {doc.flag for doc in describe(SETTINGS[name])} - given <= NOT_BY_FLAG

"""The CRDs on the real API server: every good object is taken, every bad one refused with the message of the table."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.lab import Lab

pytestmark = pytest.mark.e2e
TABLES = Path(__file__).parents[1] / "conformance" / "crds"


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((TABLES / name).read_text())
    return found


def manifest(kind: str, name: str, spec: object) -> str:
    body = {"apiVersion": "heraldlb.io/v1beta1", "kind": kind, "metadata": {"name": name}}
    return json.dumps(body if spec is None else {**body, "spec": spec})


def test_good_objects_are_accepted(api: Lab) -> None:
    for number, row in enumerate(rows("good.yaml")):
        api.kubectl("create", "--dry-run=server", "-f", "-", input=manifest(row["kind"], f"good-{number}", row["spec"]))


def test_the_table_of_bad_objects_is_long() -> None:
    assert len(rows("bad.yaml")) >= 60


def test_bad_objects_are_refused_with_their_message(api: Lab) -> None:
    wrong = []
    for number, row in enumerate(rows("bad.yaml")):
        text = manifest(row["kind"], f"bad-{number}", row["spec"])
        result = api.try_kubectl("create", "--dry-run=server", "--validate=ignore", "-f", "-", input=text)
        if result.returncode == 0 or row["message"] not in result.stderr:
            wrong.append(f"{row['kind']} {row['spec']}: expected {row['message']!r}, got {result.stderr.strip()!r}")
    assert not wrong, "\n".join(wrong)


def test_graceful_restart_cannot_be_changed_not_even_by_removing_it(api: Lab) -> None:
    spec = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.0.2.1", "enableGracefulRestart": True}
    api.kubectl("apply", "-f", "-", input=manifest("BGPPeer", "immutable", spec))
    try:
        for operation in ({"op": "remove"}, {"op": "replace", "value": False}):
            change = json.dumps([{"path": "/spec/enableGracefulRestart", **operation}])
            result = api.try_kubectl("patch", "bgppeer", "immutable", "--type=json", "-p", change)
            assert result.returncode != 0
            assert "enableGracefulRestart cannot be changed" in result.stderr
    finally:
        api.kubectl("delete", "bgppeer", "immutable")


def test_short_names_and_the_category_list_everything(api: Lab) -> None:
    api.kubectl("apply", "-f", "-", input=manifest("IPAddressPool", "listed", {"addresses": ["198.51.100.0/24"]}))
    try:
        assert "listed" in api.kubectl("get", "pool")
        assert "listed" in api.kubectl("get", "heraldlb")
    finally:
        api.kubectl("delete", "pool", "listed")

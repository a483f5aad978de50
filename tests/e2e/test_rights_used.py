"""What the pods ask the API server for, by its audit log, against what their roles allow: neither more nor less."""

import contextlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from lb_controller.model import names
from tests.e2e.world import NAMESPACE, World
from tests.lab.wait import NotWithin, eventually

pytestmark = pytest.mark.e2e


class Right(NamedTuple):
    """One verb on one kind of objects."""

    group: str
    resource: str  # with its subresource
    verb: str


CREATED = 201  # also of a `patch` or `update` that made the object, which needs the right to create as well
# An object of ours is read again when a write of its status was refused, because somebody wrote it at that moment.
ON_CONFLICT = {Right("heraldlb.io", plural, "get") for plural in names.PLURALS.values()}
FORBIDDEN = 403
# Asked for only where MetalLB's own definitions are served; this cluster has none.
OF_METALLB = "metallb.io"


def audit(world: World) -> list[dict[str, Any]]:
    """The entries of the audit log, oldest first; what is still being written is left out."""
    text = (world.lab.folder / "audit.log").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def of_pods(entries: Iterable[dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """The requests of HeraldLB's accounts, each with the account's name."""
    for entry in entries:
        name = entry["user"]["username"].removeprefix(f"system:serviceaccount:{NAMESPACE}:")
        if name.startswith("heraldlb-"):
            yield name, entry


def used(world: World, account: str) -> set[Right]:
    found = set()
    for name, entry in of_pods(audit(world)):
        thing = entry.get("objectRef", {})
        if name == account and "resource" in thing:
            resource = "/".join(filter(None, (thing["resource"], thing.get("subresource", ""))))
            made = entry.get("responseStatus", {}).get("code") == CREATED
            found |= {
                Right(thing.get("apiGroup", ""), resource, verb) for verb in (entry["verb"], "create")[: 1 + made]
            }
    return found


def held(world: World, account: str) -> set[Right]:
    roles = [world.lab.get("clusterrole", account, NAMESPACE), world.lab.get("role", account, NAMESPACE)]
    return {
        Right(group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if group != OF_METALLB
    } - ON_CONFLICT


def idle(world: World, account: str) -> set[Right]:
    """The rights that the account has not used."""
    return held(world, account) - used(world, account)


def refused(world: World) -> set[tuple[str, Right]]:
    """What was forbidden each time it was asked for.

    An API server that has just started, and one whose roles are being made or deleted, forbids for a moment what it
    allows otherwise.
    """
    answers: dict[tuple[str, Right], set[bool]] = {}
    for name, entry in of_pods(audit(world)):
        thing, code = entry.get("objectRef", {}), entry.get("responseStatus", {}).get("code", 0)
        resource = "/".join(filter(None, (thing.get("resource", ""), thing.get("subresource", ""))))
        right = Right(thing.get("apiGroup", ""), resource, entry["verb"])
        answers.setdefault((name, right), set()).add(code == FORBIDDEN)
    return {asked for asked, found in answers.items() if found == {True}}


def manifest(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "rights", "namespace": NAMESPACE}
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


# One of each kind that the cluster has none of, and a peer with a password.
OBJECTS = [
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "rights", "namespace": NAMESPACE},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": "of-nobody"},
    },
    manifest(
        "BGPPeer",
        {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.77.99", "passwordSecret": {"name": "rights"}},
    ),
    manifest("BFDProfile", {"detectMultiplier": 5}),
    manifest("Community", {"communities": [{"name": "backup", "value": "64512:100"}]}),
]


def test_the_pods_use_each_right_that_they_have_and_need_no_other(world: World) -> None:
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS})
    try:
        world.lab.kubectl("apply", "-f", "-", input=objects)
        world.lab.kubectl("-n", NAMESPACE, "delete", "lease", "heraldlb-controller")
        world.addresses(world.service("rights"))
        assert_nothing_is_idle(world, "heraldlb-speaker")
        world.delete_service("rights")
        assert_nothing_is_idle(world, "heraldlb-controller")
    finally:
        world.lab.kubectl("delete", "-f", "-", input=objects)
    assert refused(world) == set()


def assert_nothing_is_idle(world: World, account: str) -> None:
    """Soon at least: what the account does at long intervals included."""
    with contextlib.suppress(NotWithin):  # the next line says what is missing
        eventually(lambda: not idle(world, account), within=60, what="the use of every right", every=0.5)
    assert sorted(idle(world, account)) == []

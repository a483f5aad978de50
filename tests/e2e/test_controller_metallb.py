"""After MetalLB and beside it: its objects are read, its Services are left alone as long as it runs.

The CRDs are as MetalLB has them in name, scope and versions, without its schemas; its controller is a Pod object with
its labels that nothing runs.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lb_controller.model import names
from tests.e2e.controller_world import SYSTEM, Cluster, ControllerProcess, addresses_of, condition_of, newest_log
from tests.e2e.speaker_world import Ear, Facts, Speaker, frozen_controllers
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
METALLB = "metallb-system"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
Item = dict[str, object]


def crd(kind: str) -> Item:
    plural = names.PLURALS[kind]
    served = ["v1beta1", "v1beta2"] if kind == names.KIND_BGP_PEER else ["v1beta1"]
    versions = [
        {"name": version, "served": True, "storage": version == served[-1], "schema": {"openAPIV3Schema": OPEN}}
        for version in served
    ]
    words = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.metallb.io"},
        "spec": {"group": "metallb.io", "scope": "Namespaced", "names": words, "versions": versions},
    }


class MetalLB:
    """What an installation of MetalLB leaves in the API."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def apply(self, *items: Item) -> None:
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.lab.kubectl("apply", "-f", "-", input=body)

    def install_crds(self) -> None:
        self.apply(*map(crd, names.PLURALS))
        made = [f"crd/{plural}.metallb.io" for plural in names.PLURALS.values()]
        self.lab.kubectl("wait", "--for=condition=Established", "--timeout=30s", *made)

    def remove_crds(self) -> None:
        made = [f"{plural}.metallb.io" for plural in names.PLURALS.values()]
        self.lab.kubectl("delete", "crd", "--ignore-not-found", *made)

    def make(self, kind: str, name: str, namespace: str = METALLB, version: str = "v1beta1", **spec: object) -> None:
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec})

    def run_controller(self, labels: dict[str, str], *arguments: str) -> None:
        """A pod that counts as running, though no kubelet has it."""
        container = {"name": "controller", "image": "none", "args": list(arguments)}
        metadata = {"name": "controller-x", "namespace": METALLB, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})
        status = json.dumps({"status": {"phase": "Running"}})
        self.kubectl("patch", "pod", "controller-x", "--subresource=status", "--type=merge", "-p", status)

    def end_controller(self) -> None:
        self.kubectl("delete", "pod", "controller-x", "--ignore-not-found", "--force", "--grace-period=0")

    def kubectl(self, *words: str) -> str:
        return self.lab.kubectl("-n", METALLB, *words)


MANIFESTS = {"app": "metallb", "component": "controller"}
CHART = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}


@pytest.fixture(scope="module")
def namespace(api: Lab) -> MetalLB:
    api.try_kubectl("create", "namespace", METALLB)  # another test may have needed it too
    metallb = MetalLB(api)
    eventually(
        lambda: api.try_kubectl("-n", METALLB, "get", "serviceaccount", "default").returncode == 0,
        within=30,
        what="the ServiceAccount, without which there is no pod",
    )
    return metallb


@pytest.fixture
def metallb(namespace: MetalLB) -> Iterator[MetalLB]:
    """The namespace, nothing in it yet."""
    yield namespace
    namespace.end_controller()
    namespace.remove_crds()


def annotations_of_the_lease(lab: Lab) -> dict[str, str]:
    return dict(lab.get("lease", "heraldlb-controller", SYSTEM)["metadata"].get("annotations", {}))


def test_its_pools_are_used_as_soon_as_they_are_there_with_its_leniency(
    processes: ControllerProcess, cluster_api: Cluster, metallb: MetalLB
) -> None:
    processes.start("--relist-seconds=5")
    cluster_api.create("web")
    cluster_api.refused("web", "NoPool")
    metallb.install_crds()
    metallb.make("IPAddressPool", "elsewhere", "default", addresses=["10.89.9.0/24"])
    metallb.make("IPAddressPool", "lenient", addresses=["10.89.1.130/30"], avoidBuggyIPs=False)
    before = json.loads(metallb.kubectl("get", "ipaddresspools.metallb.io", "lenient", "-o", "json"))
    assert cluster_api.address("web", within=25) == "10.89.1.128"
    cluster_api.create("outside", loadBalancerIPs="10.89.9.1")
    cluster_api.refused("outside", "AddressOutsidePools")
    metallb.make("IPAddressPool", "second", addresses=["10.89.2.0/28"])
    cluster_api.create("two", address_pool="second")
    assert cluster_api.address("two", within=5) == "10.89.2.0"
    after = json.loads(metallb.kubectl("get", "ipaddresspools.metallb.io", "lenient", "-o", "json"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    metallb.lab.kubectl("-n", "default", "delete", "ipaddresspools.metallb.io", "elsewhere")


def test_its_pools_share_over_namespaces_and_ours_may_not_overlap_them(
    processes: ControllerProcess, cluster_api: Cluster, metallb: MetalLB
) -> None:
    metallb.install_crds()
    metallb.make("IPAddressPool", "shared", addresses=["10.89.3.0/28"])
    processes.start()
    cluster_api.pool("ours", "10.89.3.8/29")
    one = cluster_api.service("one", allow_shared_ip="key")
    two = cluster_api.service("two", allow_shared_ip="key")
    two["metadata"]["namespace"], two["spec"]["ports"] = "default", [{"port": 443}]
    cluster_api.apply([one, two])
    address = cluster_api.address("one")
    lab = metallb.lab
    eventually(lambda: addresses_of(lab.get("service", "two")) == [address], within=10, what="the same address")
    lab.kubectl("delete", "service", "two")

    def refused() -> bool:
        condition = condition_of({"status": cluster_api.pool_status("ours")}, "Accepted")
        return condition.get("reason") == "OverlapsAnotherPool" and "shared" in condition["message"]

    eventually(refused, within=5, what="our pool is told of theirs")


@pytest.fixture
def no_others(api: Lab) -> None:
    """The namespaces of earlier tests are gone, with the Services in them, which would be counted too."""
    ending = ("get", "namespaces", "--field-selector=status.phase=Terminating", "-o", "name")
    eventually(lambda: api.kubectl(*ending) == "", within=180, what="the end of the namespaces of earlier tests")


@pytest.mark.usefixtures("no_others")
@pytest.mark.parametrize("labels", [MANIFESTS, CHART], ids=["manifests", "chart"])
def test_ours_is_the_shadow_of_a_running_metallb_and_takes_over_when_it_is_gone(
    processes: ControllerProcess, cluster_api: Cluster, metallb: MetalLB, labels: dict[str, str]
) -> None:
    metallb.run_controller(labels)
    net = f"10.89.{40 + (labels is CHART)}"  # what the other run gave may not be gone yet
    own = f"shadow-{net[-2:]}"
    cluster_api.pool(own, f"{net}.0/28", autoAssign=False)
    processes.start()
    mine = cluster_api.service("mine", address_pool=own)
    mine["spec"]["loadBalancerClass"] = "heraldlb.io/heraldlb"
    cluster_api.apply([mine])
    assert cluster_api.address("mine") == f"{net}.0"
    cluster_api.apply(
        [cluster_api.service("given", address_pool=own), cluster_api.service("pending", address_pool=own)]
    )
    eventually(lambda: processes.metric("heraldlb_shadowed_services") == 2, within=5, what="it counts what it leaves")
    assert processes.metric("heraldlb_rivals") == 1
    eventually(
        lambda: annotations_of_the_lease(metallb.lab).get(names.ANNOTATION_SHADOW_OF) == f"{METALLB}/controller-x",
        within=5,
        what="the Lease names the other",
    )
    status = {"loadBalancer": {"ingress": [{"ip": f"{net}.1", "ipMode": "VIP"}]}}
    patch = ("patch", "service", "given", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    metallb.lab.kubectl("-n", cluster_api.namespace, *patch)
    time.sleep(2)  # long enough for a write that should not come
    services = cluster_api.services()
    assert services["pending"]["status"] == {"loadBalancer": {}}
    assert services["given"]["status"] == status
    metallb.end_controller()
    assert cluster_api.address("pending", within=20) == f"{net}.2"
    assert cluster_api.addresses() == {"mine": [f"{net}.0"], "given": [f"{net}.1"], "pending": [f"{net}.2"]}
    assert '"shadow_ended"' in newest_log(metallb.lab)
    metallb.run_controller(labels)
    eventually(lambda: processes.metric("heraldlb_rivals") == 1, within=5, what="it stands back again")
    cluster_api.create("late")
    eventually(lambda: processes.metric("heraldlb_shadowed_services") >= 1, within=5, what="it counts the new one")
    assert cluster_api.services()["late"]["status"] == {"loadBalancer": {}}
    assert cluster_api.addresses()["pending"] == [f"{net}.2"]


def test_a_metallb_with_a_class_of_its_own_is_in_nobody_s_way(
    processes: ControllerProcess, cluster_api: Cluster, metallb: MetalLB
) -> None:
    metallb.run_controller(CHART, "--port=7472", "--lb-class=example.com/metallb")
    cluster_api.pool("apart", "10.89.5.0/28")
    processes.start()
    cluster_api.create("web")
    cluster_api.address("web")


def test_the_setting_ignore_does_not_look_for_it(
    processes: ControllerProcess, cluster_api: Cluster, metallb: MetalLB
) -> None:
    metallb.run_controller(CHART)
    cluster_api.pool("forced", "10.89.6.0/28")
    processes.start("--coexistence=ignore")
    cluster_api.create("web")
    cluster_api.address("web")


def test_a_speaker_announces_nothing_of_metallb_s_while_it_runs_and_reads_its_objects_afterwards(
    api: Lab, metallb: MetalLB, tmp_path: Path
) -> None:
    metallb.install_crds()
    metallb.run_controller(CHART)
    metallb.make("IPAddressPool", "spoken", addresses=["10.89.7.0/28"])
    metallb.make("L2Advertisement", "spoken")
    facts, ear, speaker = Facts(api, "default"), Ear(tmp_path), Speaker(api, tmp_path)
    ear.listen()
    with frozen_controllers(api):
        try:
            facts.node("n1")
            facts.service("theirs", "10.89.7.1")
            facts.service("mine", "10.89.7.2", loadBalancerClass="heraldlb.io/heraldlb")
            speaker.start()
            eventually(lambda: ear.announced == {"10.89.7.2"}, within=20, what="only the Service of our class")
            metallb.end_controller()
            eventually(lambda: ear.announced == {"10.89.7.1", "10.89.7.2"}, within=20, what="both when it is gone")
            metallb.run_controller(CHART)
            eventually(lambda: ear.announced == {"10.89.7.2"}, within=5, what="silence when it is back")
        finally:
            speaker.end(signal.SIGKILL)
            ear.close()
            facts.delete("service", "theirs", "mine")
            facts.delete("node", "n1")

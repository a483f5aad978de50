"""The admission webhook as the chart sets it up, asked by a real API server over TLS."""

import base64
import json
import signal
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.controller_world import (
    SYSTEM,
    Cluster,
    ControllerProcess,
    condition_of,
    kubeconfig_of_the_chart,
    of_the_chart,
)
from tests.lab.lab import Lab
from tests.lab.shell import Result
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
ADDRESS, PORT = "192.168.77.5", 9443
CONFIGURATION = ("validatingwebhookconfiguration", "heraldlb")


class Webhook:
    """The chart's Service, Secret and configuration, and controllers on the control plane's own address behind them."""

    def __init__(self, lab: Lab, processes: ControllerProcess) -> None:
        self.lab, self.processes = lab, processes
        objects = of_the_chart(lab, "Service", "Secret", "ValidatingWebhookConfiguration")
        lab.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
        endpoint = {"addresses": [ADDRESS], "conditions": {"ready": True}}
        labels = {"kubernetes.io/service-name": "heraldlb-webhook"}
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "heraldlb-webhook-by-hand", "namespace": SYSTEM, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "webhook", "port": PORT}],
            "endpoints": [endpoint],
        }
        lab.kubectl("apply", "-f", "-", input=json.dumps(slice_))
        processes.kubeconfig = kubeconfig_of_the_chart(lab)

    def start(self, *arguments: str, port: int = PORT) -> None:
        self.processes.start(f"--webhook-host={ADDRESS}", f"--webhook-port={port}", *arguments)

    def asked(self) -> bool:
        """Whether the webhook answers the API server: it warns of what nothing else looks at."""
        kind = {"apiVersion": "heraldlb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "probe"}}
        body = {**kind, "spec": {"ipAddressPools": ["of-the-probe"]}}
        return "there is no valid IPAddressPool 'of-the-probe'" in self.apply(body, "--dry-run=server").stderr

    def await_asked(self, within: float = 15) -> None:
        eventually(self.asked, within=within, what="the webhook is asked")

    def apply(self, body: dict[str, object], *words: str) -> Result:
        return self.lab.try_kubectl("apply", "-f", "-", *words, input=json.dumps(body))

    def secret(self) -> dict[str, str]:
        return dict(self.lab.get("secret", "heraldlb-webhook", SYSTEM).get("data", {}))

    def trusted(self) -> str:
        [hook] = self.lab.get(*CONFIGURATION)["webhooks"]
        return str(hook["clientConfig"].get("caBundle", ""))

    def shown(self, port: int = PORT) -> str:
        """The certificate that the server shows, in PEM."""
        words = ("openssl", "s_client", "-connect", f"{ADDRESS}:{port}", "-showcerts")
        text = self.lab.try_run("cp", "sh", "-c", f"echo | {' '.join(words)}").stdout
        end = "-----END CERTIFICATE-----"
        return text[text.index("-----BEGIN") : text.index(end)] + end

    def logged(self, event: str) -> int:
        return sum(log.read_text().count(f'"{event}"') for log in self.lab.folder.glob("controller-*.log"))

    def end(self) -> None:
        self.processes.end(signal.SIGKILL)
        self.lab.kubectl("delete", *CONFIGURATION)
        self.lab.kubectl("-n", SYSTEM, "delete", "service,secret", "heraldlb-webhook")
        self.lab.kubectl("-n", SYSTEM, "delete", "endpointslice", "heraldlb-webhook-by-hand", "--ignore-not-found")


def pool_body(name: str, *addresses: str) -> dict[str, object]:
    metadata = {"name": name}
    spec = {"addresses": list(addresses)}
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec}


@pytest.fixture
def webhook(api: Lab, processes: ControllerProcess) -> Iterator[Webhook]:
    """Nobody answers yet."""
    webhook = Webhook(api, processes)
    yield webhook
    webhook.end()


def test_an_overlapping_pool_is_denied_and_its_mended_form_let_in(webhook: Webhook, cluster_api: Cluster) -> None:
    webhook.start()
    webhook.await_asked()
    cluster_api.pool("whole", "10.88.1.0/24")
    denied = webhook.apply(pool_body("part", "10.88.1.8/29"))
    assert denied.returncode != 0
    assert "10.88.1.8/29 overlaps 10.88.1.0/24 of the older IPAddressPool whole" in denied.stderr
    assert webhook.apply(pool_body("whole", "10.88.1.0/25")).returncode == 0
    cluster_api.pool("part", "10.88.1.128/29")
    grown = webhook.apply(pool_body("whole", "10.88.1.0/24"))
    assert "IPAddressPool part" in grown.stderr
    assert webhook.lab.get("ipaddresspools.heraldlb.io", "whole")["spec"]["addresses"] == ["10.88.1.0/25"]


def test_unknown_names_and_the_end_of_what_is_in_use_are_warned_of(webhook: Webhook, cluster_api: Cluster) -> None:
    webhook.start()
    webhook.await_asked()
    kind = {"apiVersion": "heraldlb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "webhook-names"}}
    made = webhook.apply({**kind, "spec": {"ipAddressPools": ["used"]}})
    assert made.returncode == 0
    assert "Warning: spec.ipAddressPools: there is no valid IPAddressPool 'used'" in made.stderr
    cluster_api.pool("used", "10.88.2.0/28")
    cluster_api.create("web")
    cluster_api.address("web")
    gone = webhook.lab.try_kubectl("delete", "ipaddresspools.heraldlb.io", "used")
    webhook.lab.kubectl("delete", "l2advertisement", "webhook-names")
    assert gone.returncode == 0
    assert "Warning: Services hold the address 10.88.2.0 of IPAddressPool used" in gone.stderr
    assert "Warning: without it: L2Advertisement webhook-names" in gone.stderr
    assert cluster_api.addresses()["web"] == ["10.88.2.0"]


def test_without_a_controller_objects_go_in_and_are_told_later(webhook: Webhook, cluster_api: Cluster) -> None:
    webhook.start()
    webhook.await_asked()
    webhook.processes.end(signal.SIGKILL)
    cluster_api.pool("first", "10.88.3.0/24")
    cluster_api.pool("second", "10.88.3.0/28")
    webhook.start()

    def told() -> bool:
        return condition_of({"status": cluster_api.pool_status("second")}, "Accepted").get("status") == "False"

    eventually(told, within=15, what="the pool that overlaps is not accepted")


def test_two_replicas_that_start_at_once_share_one_certificate_and_both_answer(webhook: Webhook) -> None:
    made, loaded = webhook.logged("certificates_made"), webhook.logged("certificates_loaded")
    for number, port in ((1, PORT), (2, PORT + 1)):
        words = (f"--identity=r{number}", f"--metrics-port={9480 + number}", f"--webhook-port={port}")
        webhook.processes.spawn(*words, f"--webhook-host={ADDRESS}")
    webhook.await_asked(within=30)
    eventually(lambda: webhook.logged("certificates_loaded") - loaded == 2, within=15, what="both have certificates")
    assert webhook.logged("certificates_made") - made == 1
    expected = base64.b64decode(webhook.secret()["tls.crt"]).decode().strip()
    for port in (PORT, PORT + 1):
        eventually(lambda port=port: webhook.shown(port) == expected, within=10, what=f"{port} shows the certificate")
    assert webhook.trusted() == webhook.secret()["ca.crt"]


def test_an_emptied_secret_and_a_lost_ca_bundle_are_made_good(webhook: Webhook) -> None:
    webhook.start("--relist-seconds=5")
    webhook.await_asked()
    before = webhook.secret()
    patch = json.dumps([{"op": "remove", "path": "/data"}])
    webhook.lab.kubectl("-n", SYSTEM, "patch", "secret", "heraldlb-webhook", "--type=json", "-p", patch)
    eventually(lambda: webhook.secret().get("ca.crt", "") not in ("", before["ca.crt"]), within=15, what="a new CA")
    eventually(lambda: webhook.trusted() == webhook.secret()["ca.crt"], within=10, what="the new CA is trusted")
    webhook.await_asked()
    shown = base64.b64decode(webhook.secret()["tls.crt"]).decode().strip()
    eventually(lambda: webhook.shown() == shown, within=15, what="the new certificate is shown")
    patch = json.dumps([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}])
    webhook.lab.kubectl("patch", *CONFIGURATION, "--type=json", "-p", patch)
    webhook.await_asked(within=20)
    assert webhook.trusted() == webhook.secret()["ca.crt"]

"""Tutorials and how-tos on a real API server: it takes their manifests, and kubectl understands their commands."""

import re
import shlex
import subprocess

import pytest
import yaml

from tests.lab.lab import Lab
from tests.support.documented import ROOT, Found, commands, manifests

pytestmark = pytest.mark.e2e
EXAMPLES = [Found(str(path.relative_to(ROOT)), path.read_text()) for path in sorted(ROOT.glob("docs/examples/*.yaml"))]
METALLB = "metallb.io/"
WRITES = {"apply", "create", "delete", "label", "annotate", "patch", "drain", "uncordon", "cordon", "scale"}
# What kubectl says of a command that it does not understand, whatever the cluster holds.
NOT_UNDERSTOOD = re.compile(
    r"unknown (flag|command|shorthand)|doesn't have a resource type|invalid argument|unable to parse|"
    r"accepts \d+ arg|must specify|required flag|exactly one|error parsing"
)


def understood() -> list[Found]:
    """The kubectl commands, with a name in place of each placeholder, up to a pipe or redirection."""
    found = []
    for command in commands():
        written = re.sub(r"\$\((?!kubectl )[^)]*\)", "the-output", command.text)
        for text in re.findall(r"kubectl [^|>;)]+", written):
            words = re.sub(r"\b(NAME|NODE|POD)\b", "some-name", text).strip()
            if METALLB not in words.replace(".metallb.io", METALLB) and "metallb" not in words:
                found.append(Found(command.page, words))
    return found


@pytest.mark.parametrize("manifest", [*manifests(), *EXAMPLES], ids=str)
def test_the_api_server_takes_every_manifest(api: Lab, manifest: Found) -> None:
    if any(str(found["apiVersion"]).startswith(METALLB) for found in yaml.safe_load_all(manifest.text)):
        return  # shows what MetalLB takes
    api.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=manifest.text)


@pytest.mark.parametrize("command", understood(), ids=str)
def test_kubectl_understands_every_command(api: Lab, command: Found) -> None:
    words = shlex.split(command.text)[1:]
    verb = next(word for word in words if not word.startswith("-") and word != "heraldlb-system")
    if verb == "apply":  # its files are tested above
        return
    if verb in WRITES and "--dry-run=server" not in words:
        words.append("--dry-run=server")
    result = api.try_kubectl("--request-timeout=10s", *words)
    if "jsonpath" in command.text and result.returncode != 0:
        assert "not found" in result.stderr.lower(), result.stderr
    assert not NOT_UNDERSTOOD.search(result.stderr), result.stderr


# As `kubectl get ... -o yaml` prints them where MetalLB runs.
OF_METALLB = """
apiVersion: v1
items:
- apiVersion: metallb.io/v1beta1
  kind: IPAddressPool
  metadata:
    creationTimestamp: "2026-01-01T00:00:00Z"
    generation: 1
    name: lan
    namespace: metallb-system
    resourceVersion: "1234"
    uid: 0b1a6c0e-0000-0000-0000-000000000000
  spec:
    addresses:
    - 198.51.100.0/28
    autoAssign: true
    avoidBuggyIPs: false
- apiVersion: metallb.io/v1beta2
  kind: BGPPeer
  metadata:
    creationTimestamp: "2026-01-01T00:00:00Z"
    generation: 1
    name: router
    namespace: metallb-system
    resourceVersion: "1235"
    uid: 0b1a6c0e-0000-0000-0000-000000000001
  spec:
    myASN: 64512
    peerASN: 64500
    peerAddress: 192.0.2.1
    holdTime: 1m30s
kind: List
metadata:
  resourceVersion: ""
"""


def test_objects_of_metallb_are_taken_after_the_change_that_the_how_to_makes(api: Lab) -> None:
    [sed] = [found.text for found in commands() if found.text.startswith("sed -E") and "metallb" in found.text]
    words = shlex.split(sed)[:3]
    changed = subprocess.run(words, input=OF_METALLB, capture_output=True, text=True, check=True).stdout
    output = api.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=changed)
    assert "ipaddresspool.heraldlb.io/lan created" in output
    assert "bgppeer.heraldlb.io/router created" in output

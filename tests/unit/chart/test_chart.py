"""The chart under the real Helm: it lints, renders, refuses what it does not know, asks for no more than it needs."""

import functools
import json
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lb_controller.app.webhook import HANDLER
from lb_controller.model import names
from lb_controller.runtime.settings import describe
from tests.lab import programs
from tests.support.reference import SETTINGS

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "heraldlb"
KUBE_VERSION = "1.35.0"
NAMESPACE = "heraldlb-system"
MODULES = {
    "controller": "lb_controller",
    "speaker": "speaker",
    "announcer": "speaker.announcer",
    "bgp": "speaker.bgp",
    "test": "lb_controller.app.trial",
}
# Nothing here is the default, so that every value shows in what is rendered.
OTHER_VALUES = {
    "image": {"repository": "registry.example/herald", "tag": "9.9", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "loadBalancerClass": "example.com/herald",
    "serveUnclassed": False,
    "logFormat": "console",
    "crds": {"enabled": True, "keep": False},
    "controller": {
        "replicas": 3,
        "logLevel": "debug",
        "metricsPort": 19470,
        "resources": {"limits": {"memory": "300Mi"}},
        "nodeSelector": {"role": "infra"},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": None, "nodeAffinity": {"note": "kept as it is"}},
        "priorityClassName": "controller-class",
    },
    "speaker": {
        "logLevel": "warning",
        "metricsPort": 19471,
        "resources": {
            "speaker": {"limits": {"memory": "301Mi"}},
            "announcer": {"limits": {"memory": "302Mi"}},
            "bgp": {"limits": {"memory": "303Mi"}},
        },
        "nodeSelector": {"role": "edge"},
        "tolerations": [{"key": "edge", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
        "priorityClassName": "speaker-class",
        "updateStrategy": {"type": "OnDelete", "rollingUpdate": None},
    },
}


@functools.cache
def helm() -> Path:
    return programs.build(["helm"]) / "helm"


def attempt(*words: str | Path, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    command = [helm(), *words, *(["--values", "-"] if values is not None else [])]
    text = None if values is None else json.dumps(values)
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, check=False)


def render(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    where = ("--namespace", NAMESPACE, "--kube-version", KUBE_VERSION)
    result = attempt("template", "any-name", CHART, *where, values=values)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]


@pytest.fixture(scope="module")
def default() -> list[dict[str, Any]]:
    return render()


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [found] = [found for found in objects if (found["kind"], found["metadata"]["name"]) == (kind, name)]
    return found


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        "controller": one(objects, "Deployment", "heraldlb-controller")["spec"]["template"]["spec"],
        "speaker": one(objects, "DaemonSet", "heraldlb-speaker")["spec"]["template"]["spec"],
    }


def containers(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {container["name"]: container for pod in pods(objects).values() for container in pod["containers"]}


def rules(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in objects:
        if found["kind"] in ("Role", "ClusterRole"):
            for rule in found["rules"]:
                yield f"{found['kind']} {found['metadata']['name']}", rule


def test_helm_lint_finds_nothing() -> None:
    result = attempt("lint", "--strict", "--kube-version", KUBE_VERSION, CHART)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stdout


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("lodBalancerClass=x", "lodBalancerClass"),
        ("controller.logLvl=debug", "logLvl"),
        ("speaker.resources.anouncer.limits.cpu=1", "anouncer"),
        ("image.repo=x", "repo"),
        ("crds.install=true", "install"),
        ("controller.logLevel=verbose", "/controller/logLevel"),
        ("speaker.metricsPort=0", "/speaker/metricsPort"),
        ("image.tag=a b", "/image/tag"),
    ],
)
def test_a_misspelt_or_impossible_value_is_refused_by_its_name(path: str, word: str) -> None:
    result = attempt("template", "x", CHART, "--kube-version", KUBE_VERSION, "--set", path)
    assert result.returncode != 0
    assert word in result.stderr


def test_every_value_has_an_effect() -> None:
    changed = render(OTHER_VALUES)
    for found in containers(changed).values():
        assert found["image"] == "registry.example/herald:9.9"
        assert found["imagePullPolicy"] == "Always"
        assert "--log-format=console" in found["args"]
    for name, component in (("controller", "controller"), ("speaker", "speaker")):
        values, pod = OTHER_VALUES[component], pods(changed)[component]
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["nodeSelector"] == values["nodeSelector"]
        assert pod["tolerations"] == values["tolerations"]
        assert pod["priorityClassName"] == values["priorityClassName"]
        found = containers(changed)[name]
        assert f"--metrics-port={values['metricsPort']}" in found["args"]
        assert {"--load-balancer-class=example.com/herald", "--serve-unclassed=false"} <= set(found["args"])
        assert found["ports"][0]["containerPort"] == values["metricsPort"]
    assert pods(changed)["controller"]["affinity"] == {"nodeAffinity": {"note": "kept as it is"}}
    memory = {name: found["resources"]["limits"]["memory"] for name, found in containers(changed).items()}
    assert memory == {"controller": "300Mi", "speaker": "301Mi", "announcer": "302Mi", "bgp": "303Mi"}
    assert one(changed, "DaemonSet", "heraldlb-speaker")["spec"]["updateStrategy"]["type"] == "OnDelete"
    assert not [found for found in render({"crds": {"enabled": False}}) if found["kind"] == "CustomResourceDefinition"]
    assert one(changed, "Deployment", "heraldlb-controller")["spec"]["replicas"] == 3


def test_the_rendered_crds_are_those_of_the_repository_and_stay_on_uninstall(default: list[dict[str, Any]]) -> None:
    rendered = {found["metadata"]["name"]: found for found in default if found["kind"] == "CustomResourceDefinition"}
    written = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    plurals = {*names.PLURALS.values(), names.PLURAL_BGP_NODE_STATUS}
    assert set(rendered) == {f"{plural}.{names.GROUP}" for plural in plurals}
    for crd in written:
        found = rendered[crd["metadata"]["name"]]
        assert found["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
        crd["metadata"].setdefault("annotations", {})
        assert found == crd


def test_crds_go_with_the_chart_where_that_is_asked_for() -> None:
    crds = [found for found in render(OTHER_VALUES) if found["kind"] == "CustomResourceDefinition"]
    assert crds
    assert not [crd for crd in crds if "helm.sh/resource-policy" in crd["metadata"].get("annotations", {})]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_container_starts_its_module_with_flags_that_exist(name: str) -> None:
    changed = render(OTHER_VALUES)
    found = {**containers(changed), "test": one(changed, "Pod", "heraldlb-test")["spec"]["containers"][0]}[name]
    assert found["command"] == ["python3", "-m", MODULES[name]]
    known = {doc.flag: doc for doc in describe(SETTINGS[name])}
    given = [argument.partition("=")[0] for argument in found["args"]]
    assert set(given) <= set(known), f"unknown flags: {sorted(set(given) - set(known))}"
    required = {flag for flag, doc in known.items() if doc.default == "required"}
    assert required <= set(given)


def test_every_variable_in_an_argument_is_set(default: list[dict[str, Any]]) -> None:
    for found in containers(default).values():
        variables = {entry["name"] for entry in found.get("env", [])}
        used = {word.split(")")[0] for argument in found["args"] for word in argument.split("$(")[1:]}
        assert used == variables


def test_only_the_announcer_holds_a_capability_and_only_net_raw(default: list[dict[str, Any]]) -> None:
    for name, found in containers(default).items():
        context = found["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["capabilities"].get("add", []) == (["NET_RAW"] if name == "announcer" else [])
        assert "privileged" not in context
    for pod in pods(default).values():
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False


def test_every_container_but_the_announcer_runs_as_an_ordinary_user(default: list[dict[str, Any]]) -> None:
    for component, pod in pods(default).items():
        for found in pod["containers"]:
            context = {**pod["securityContext"], **found["securityContext"]}
            assert context["runAsUser"] == (0 if found["name"] == "announcer" else 65532), component
            assert context.get("runAsNonRoot", False) is (found["name"] != "announcer")


def test_only_the_controller_and_the_speaker_get_a_token(default: list[dict[str, Any]]) -> None:
    assert pods(default)["speaker"]["automountServiceAccountToken"] is False
    mounted = {name for name, found in containers(default).items() if "token" in str(found.get("volumeMounts"))}
    assert mounted == {"speaker"}


def test_the_speaker_shares_the_node_s_network_and_the_controller_does_not(default: list[dict[str, Any]]) -> None:
    speaker, controller = pods(default)["speaker"], pods(default)["controller"]
    assert speaker["hostNetwork"] is True
    assert speaker["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert speaker["tolerations"] == [{"operator": "Exists"}]
    assert "hostNetwork" not in controller


def test_no_role_holds_a_wildcard(default: list[dict[str, Any]]) -> None:
    for role, rule in rules(default):
        for key in ("apiGroups", "resources", "verbs"):
            assert not [word for word in rule[key] if "*" in word], f"{role}: {rule}"


def test_the_speaker_may_write_status_and_nothing_else(default: list[dict[str, Any]]) -> None:
    writes = {
        (resource, verb)
        for role, rule in rules(default)
        if role.endswith("speaker")
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch")
    }
    assert writes == {
        ("services/status", "patch"),
        ("bgppeers/status", "patch"),
        ("bgpnodestatuses", "create"),
        ("bgpnodestatuses", "patch"),
    }


def test_nobody_may_read_secrets_of_other_namespaces(default: list[dict[str, Any]]) -> None:
    for role, rule in rules(default):
        if "secrets" in rule["resources"]:
            if role == "Role heraldlb-controller":
                assert rule["resourceNames"] == [names.WEBHOOK_SERVICE]
                assert rule["verbs"] == ["get", "update"]
            else:
                assert role == "Role heraldlb-speaker"
                assert rule["verbs"] == ["get", "watch"]


def test_the_speakers_may_be_bound_to_the_secrets_of_the_peers() -> None:
    objects = render({"speaker": {"passwordSecrets": ["tor", "spine"]}})
    [rule] = one(objects, "Role", "heraldlb-speaker")["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["tor", "spine"], ["get", "watch"])


def test_the_webhook_asks_about_every_kind_where_the_controller_answers(default: list[dict[str, Any]]) -> None:
    found = one(default, "ValidatingWebhookConfiguration", names.WEBHOOK_CONFIGURATION)
    [hook] = found["webhooks"]
    [rule] = hook["rules"]
    assert set(rule["resources"]) == set(names.PLURALS.values())
    assert (rule["apiGroups"], rule["apiVersions"]) == ([names.GROUP], [names.VERSION])
    assert hook["failurePolicy"] == "Ignore"
    where = hook["clientConfig"]["service"]
    assert where["path"] == f"/{HANDLER}"
    service, secret = (one(default, kind, names.WEBHOOK_SERVICE) for kind in ("Service", "Secret"))
    assert (where["name"], where["namespace"]) == (service["metadata"]["name"], NAMESPACE)
    assert secret["metadata"]["namespace"] == NAMESPACE
    controller = containers(default)["controller"]
    [port] = [port for port in controller["ports"] if port["name"] == service["spec"]["ports"][0]["targetPort"]]
    assert f"--webhook-port={port['containerPort']}" in controller["args"]


def test_without_the_webhook_nothing_of_it_is_left() -> None:
    assert "webhook" not in json.dumps(render({"webhook": {"enabled": False}})).lower()


def test_the_rights_towards_metallb_go_with_their_values() -> None:
    for namespace, coexistence in (("metallb-system", "auto"), ("", "auto"), ("lb", "ignore"), ("", "ignore")):
        objects = render({"metalLB": {"namespace": namespace, "coexistence": coexistence}})
        given = [rule for role, rule in rules(objects) if role.endswith(("-controller", "-speaker"))]
        assert sum("metallb.io" in rule["apiGroups"] for rule in given) == (2 if namespace else 0)
        assert sum("pods" in rule["resources"] for rule in given) == (2 if coexistence == "auto" else 0)
        for name in ("controller", "speaker"):
            found = containers(objects)[name]
            assert {f"--metallb-namespace={namespace}", f"--coexistence={coexistence}"} <= set(found["args"])


def test_the_webhook_s_values_have_an_effect() -> None:
    changed = render({"webhook": {"enabled": True, "failurePolicy": "Fail", "timeoutSeconds": 9, "port": 19443}})
    [hook] = one(changed, "ValidatingWebhookConfiguration", names.WEBHOOK_CONFIGURATION)["webhooks"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"]) == ("Fail", 9)
    assert "--webhook-port=19443" in containers(changed)["controller"]["args"]


def test_the_notes_hold_a_pool_and_an_advertisement_to_begin_with() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    manifest = textwrap.dedent(notes.split("<<END\n")[1].split("  END\n")[0])
    kinds = [found["kind"] for found in yaml.safe_load_all(manifest)]
    assert kinds == [names.KIND_IP_ADDRESS_POOL, names.KIND_L2_ADVERTISEMENT]

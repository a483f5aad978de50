"""Every switch of the chart, on and off: what appears, what goes, and that nothing else changes."""

import copy
from typing import Any

import pytest

from tests.unit.chart.test_chart import NAMESPACE, attempt, containers, one, pods, render

Objects = list[dict[str, Any]]


def keys(objects: Objects) -> set[tuple[str, str]]:
    return {(found["kind"], found["metadata"]["name"]) for found in objects}


def nested(path: str, value: object) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


METRICS = {("Service", "heraldlb-controller-metrics"), ("Service", "heraldlb-speaker-metrics")}
MONITORS = {("ServiceMonitor", "heraldlb-controller"), ("ServiceMonitor", "heraldlb-speaker")}
ROLES = {
    (kind, f"heraldlb-{component}")
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    for component in ("controller", "speaker")
}
TEST = {(kind, "heraldlb-test") for kind in ("Pod", "ServiceAccount", "Role", "RoleBinding")}
# switch -> value that is not the default, objects that it brings, objects that it takes
SWITCHES: dict[str, tuple[object, set[tuple[str, str]], set[tuple[str, str]]]] = {
    "prometheus.services.enabled": (True, METRICS, set()),
    "prometheus.podMonitor.enabled": (
        True,
        {("PodMonitor", "heraldlb-controller"), ("PodMonitor", "heraldlb-speaker")},
        set(),
    ),
    "prometheus.serviceMonitor.enabled": (True, METRICS | MONITORS, set()),
    "prometheus.prometheusRule.enabled": (True, {("PrometheusRule", "heraldlb")}, set()),
    "prometheus.dashboard.enabled": (True, {("ConfigMap", "heraldlb-dashboard")}, set()),
    "networkpolicies.enabled": (
        True,
        {("NetworkPolicy", "heraldlb-controller"), ("NetworkPolicy", "heraldlb-test")},
        set(),
    ),
    "controller.podDisruptionBudget.enabled": (False, set(), {("PodDisruptionBudget", "heraldlb-controller")}),
    "controller.replicas": (1, set(), {("PodDisruptionBudget", "heraldlb-controller")}),
    "controller.serviceAccount.create": (False, set(), {("ServiceAccount", "heraldlb-controller")}),
    "speaker.serviceAccount.create": (False, set(), {("ServiceAccount", "heraldlb-speaker")}),
    "rbac.create": (False, set(), ROLES),
    "test.enabled": (False, set(), TEST),
}


@pytest.fixture(scope="module")
def default() -> Objects:
    return render()


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_brings_and_takes_its_objects_and_no_others(switch: str, default: Objects) -> None:
    value, brought, taken = SWITCHES[switch]
    changed = render(nested(switch, value))
    assert keys(changed) - keys(default) == brought
    assert keys(default) - keys(changed) == taken
    same = keys(default) & keys(changed)
    if switch not in ("controller.replicas",):
        for kind, name in same:
            assert one(changed, kind, name) == one(default, kind, name), f"{switch} also changes {kind} {name}"


def test_default_deny_closes_the_namespace_only_where_policies_are_asked_for() -> None:
    both = render({"networkpolicies": {"enabled": True, "defaultDeny": True}})
    deny = one(both, "NetworkPolicy", "heraldlb-default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert "NetworkPolicy" not in {kind for kind, _ in keys(render({"networkpolicies": {"defaultDeny": True}}))}


def test_the_controller_s_policy_lets_scrapes_in_and_requests_to_the_api_server_out() -> None:
    found = one(
        render({"networkpolicies": {"enabled": True, "apiPort": 8443}, "controller": {"metricsPort": 19470}}),
        "NetworkPolicy",
        "heraldlb-controller",
    )["spec"]
    scrapes, webhook = ([{"ports": [{"protocol": "TCP", "port": port}]}] for port in (19470, 9443))
    assert found["ingress"] == scrapes + webhook
    without = render({"networkpolicies": {"enabled": True}, "webhook": {"enabled": False}})
    assert len(one(without, "NetworkPolicy", "heraldlb-controller")["spec"]["ingress"]) == 1
    assert found["egress"] == [{"ports": [{"protocol": "TCP", "port": 8443}]}]


def test_a_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "a" * 64
    changed = render({"image": {"repository": "registry.example/herald", "tag": "1", "digest": digest}})
    assert {found["image"] for found in containers(changed).values()} == {f"registry.example/herald@{digest}"}
    assert one(changed, "Pod", "heraldlb-test")["spec"]["containers"][0]["image"].endswith(digest)


def test_common_labels_stand_on_every_object_and_pod() -> None:
    changed = render({"commonLabels": {"team": "network"}, "prometheus": {"services": {"enabled": True}}})
    without = [
        f"{found['kind']} {found['metadata']['name']}"
        for found in changed
        if found["kind"] != "CustomResourceDefinition" and found["metadata"]["labels"].get("team") != "network"
    ]
    assert without == []
    for kind, name in (("Deployment", "heraldlb-controller"), ("DaemonSet", "heraldlb-speaker")):
        spec = one(changed, kind, name)["spec"]
        assert spec["template"]["metadata"]["labels"]["team"] == "network"
        assert "team" not in spec["selector"]["matchLabels"], "a selector never changes"


def test_labels_that_select_pods_cannot_be_overridden() -> None:
    for path in ("commonLabels", "controller.labels", "speaker.labels"):
        values = nested(path, {"app.kubernetes.io/component": "other"})
        assert "component" in attempt("template", "x", "charts/heraldlb", values=values).stderr


@pytest.mark.parametrize(
    ("component", "kind"), [("controller", "Deployment"), ("speaker", "DaemonSet")], ids=["controller", "speaker"]
)
def test_what_operators_set_on_pods_reaches_them(component: str, kind: str) -> None:
    given = {
        "podAnnotations": {"note": "kept"},
        "labels": {"tier": "edge"},
        "runtimeClassName": "gvisor",
        "terminationGracePeriodSeconds": 44,
        "serviceAccount": {"create": True, "name": "other", "annotations": {"cloud": "role"}},
        "startupProbe": {"enabled": False},
        "livenessProbe": {"periodSeconds": 33},
        "readinessProbe": {"failureThreshold": 7},
        "affinity": {"nodeAffinity": {"note": "kept"}},
    }
    changed = render({component: given, "prometheus": {"scrapeAnnotations": True}})
    template = one(changed, kind, f"heraldlb-{component}")["spec"]["template"]
    annotations, spec = template["metadata"]["annotations"], template["spec"]
    assert annotations["note"] == "kept"
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == {"controller": "9470", "speaker": "9471"}[component]
    assert template["metadata"]["labels"]["tier"] == "edge"
    assert (spec["runtimeClassName"], spec["terminationGracePeriodSeconds"]) == ("gvisor", 44)
    assert spec["serviceAccountName"] == "other"
    assert spec["affinity"]["nodeAffinity"] == {"note": "kept"}
    assert one(changed, "ServiceAccount", "other")["metadata"]["annotations"] == {"cloud": "role"}
    for binding in ("RoleBinding", "ClusterRoleBinding"):
        [subject] = one(changed, binding, f"heraldlb-{component}")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "other", "namespace": NAMESPACE}
    main = containers(changed)[component]
    assert "startupProbe" not in main
    assert main["livenessProbe"]["periodSeconds"] == 33
    assert main["readinessProbe"]["failureThreshold"] == 7


def test_the_controller_s_own_switches_reach_it() -> None:
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    given = {
        "leaderElection": False,
        "leaseSeconds": 30,
        "strandedAddresses": "Reassign",
        "relistSeconds": 60,
        "writers": 8,
        "strategy": {"type": "Recreate"},
        "topologySpreadConstraints": spread,
        "extraArgs": ["--identity=me"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
    }
    changed = render({"controller": given})
    found = containers(changed)["controller"]
    wanted = {"leader-election=false", "lease-seconds=30", "stranded-addresses=Reassign", "relist-seconds=60"}
    wanted |= {"writers=8", "identity=me"}
    assert {f"--{flag}" for flag in wanted} <= set(found["args"])
    assert {"name": "HTTPS_PROXY", "value": "http://proxy"} in found["env"]
    assert one(changed, "Deployment", "heraldlb-controller")["spec"]["strategy"] == {"type": "Recreate"}
    assert pods(changed)["controller"]["topologySpreadConstraints"] == spread


def test_the_speaker_s_own_switches_reach_its_containers() -> None:
    given = {
        "ignoreExcludeLB": True,
        "excludeInterfaces": {"patterns": ["^eth1$", "^bond.*"]},
        "gratuitous": {"refreshSeconds": 0, "rate": 50},
        "extraArgs": {"speaker": ["--a=1"], "announcer": ["--b=2"], "bgp": ["--c=3"]},
        "extraEnv": {name: [{"name": name.upper(), "value": "1"}] for name in ("speaker", "announcer", "bgp")},
    }
    found = containers(render({"speaker": given}))
    assert {"--ignore-exclude-label=true", "--a=1"} <= set(found["speaker"]["args"])
    flags = {"--exclude-interfaces=^eth1$,^bond.*", "--gratuitous-refresh=0", "--gratuitous-rate=50", "--b=2"}
    assert flags <= set(found["announcer"]["args"])
    assert "--c=3" in found["bgp"]["args"]
    for name in ("speaker", "announcer", "bgp"):
        assert {"name": name.upper(), "value": "1"} in found[name]["env"]
    chosen = containers(render({"speaker": {"nodeSelector": {"zone": "1", "edge": "yes"}}}))
    assert "--member-labels=edge=yes,zone=1" in chosen["speaker"]["args"]
    everything = containers(render({"speaker": {"excludeInterfaces": {"enabled": False}}}))
    assert "--exclude-interfaces=" in everything["announcer"]["args"]


def test_the_log_level_is_in_a_config_map_so_that_a_change_restarts_nothing(default: Objects) -> None:
    changed = render({"controller": {"logLevel": "debug"}, "speaker": {"logLevel": "error"}})
    assert one(changed, "ConfigMap", "heraldlb-log-level")["data"] == {"controller": "debug", "speaker": "error"}
    assert pods(changed) == pods(default)
    for name, found in containers(default).items():
        key = "controller" if name == "controller" else "speaker"
        assert f"--log-level-file=/etc/heraldlb/log-level/{key}" in found["args"]
        assert {"name": "log-level", "mountPath": "/etc/heraldlb/log-level", "readOnly": True} in found["volumeMounts"]


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_a_monitor_selects_the_pods_or_services_of_its_component(kind: str) -> None:
    monitor = {"enabled": True, "interval": "15s", "relabelings": [{"action": "labelmap", "regex": "x"}]}
    extra = {"additionalLabels": {"release": "prom"}, "annotations": {"note": "kept"}}
    key = kind[0].lower() + kind[1:]
    given = monitor | (extra if kind == "PodMonitor" else {"controller": extra, "speaker": extra})
    changed = render({"prometheus": {key: given}})
    for component in ("controller", "speaker"):
        found = one(changed, kind, f"heraldlb-{component}")
        assert found["metadata"]["labels"]["release"] == "prom"
        assert found["metadata"]["annotations"] == {"note": "kept"}
        spec = copy.deepcopy(found["spec"])
        [endpoint] = spec["podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"]
        wanted = {"port": "metrics", "path": "/metrics", "interval": "15s", "relabelings": monitor["relabelings"]}
        assert endpoint == wanted
        assert spec["namespaceSelector"] == {"matchNames": [NAMESPACE]}
        target = "Service" if kind == "ServiceMonitor" else None
        labels = one(changed, target, f"heraldlb-{component}-metrics")["metadata"]["labels"] if target else None
        workload = {"controller": "Deployment", "speaker": "DaemonSet"}[component]
        template = one(changed, workload, f"heraldlb-{component}")["spec"]["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= (labels or template).items()


def test_the_metrics_services_lead_to_the_pods_that_serve_them() -> None:
    changed = render({"prometheus": {"services": {"enabled": True, "annotations": {"note": "kept"}}}})
    for component, port in (("controller", 9470), ("speaker", 9471)):
        found = one(changed, "Service", f"heraldlb-{component}-metrics")
        assert found["spec"]["clusterIP"] == "None"
        assert found["spec"]["ports"] == [{"name": "metrics", "port": port, "targetPort": "metrics"}]
        assert found["metadata"]["annotations"] == {"note": "kept"}


def test_the_test_hook_asks_for_the_pool_and_class_that_are_set_and_for_little_else() -> None:
    changed = render({"test": {"pool": "lan", "timeoutSeconds": 9}, "loadBalancerClass": "example.com/herald"})
    found = one(changed, "Pod", "heraldlb-test")
    assert found["metadata"]["annotations"]["helm.sh/hook"] == "test"
    [container] = found["spec"]["containers"]
    assert container["command"] == ["python3", "-m", "lb_controller.app.trial"]
    assert {"--pool=lan", "--within-seconds=9", "--load-balancer-class=example.com/herald"} <= set(container["args"])
    rules = one(changed, "Role", "heraldlb-test")["rules"]
    verbs = {(rule["resources"][0], verb, *rule.get("resourceNames", ())) for rule in rules for verb in rule["verbs"]}
    own = {("services", "get", "heraldlb-test"), ("services", "delete", "heraldlb-test")}
    assert verbs == {("services", "create")} | own


def test_how_announcers_agree_reaches_them_and_the_key_only_them() -> None:
    given = {
        "port": 17947,
        "interface": "eth1",
        "keySecret": "herald-keys",
        "livenessInterval": 50,
        "livenessMultiplier": 5,
        "failback": "Immediate",
    }
    changed = render({"speaker": {"ownership": given}})
    found = containers(changed)
    flags = {"ownership-port=17947", "ownership-interface=eth1", "liveness-interval=50", "liveness-multiplier=5"}
    flags |= {"failback=Immediate", "ownership-key-file=/etc/heraldlb/ownership/keys"}
    assert {f"--{flag}" for flag in flags} <= set(found["announcer"]["args"])
    assert [name for name, one in found.items() if "ownership" in str(one.get("volumeMounts"))] == ["announcer"]
    [volume] = [volume for volume in pods(changed)["speaker"]["volumes"] if volume["name"] == "ownership"]
    keys = [{"key": "keys", "path": "keys"}]
    assert volume["secret"] == {"secretName": "herald-keys", "defaultMode": 0o440, "items": keys}


def test_without_a_key_nothing_is_mounted(default: Objects) -> None:
    assert "ownership" not in str(pods(default)["speaker"]["volumes"])
    assert not [flag for flag in containers(default)["announcer"]["args"] if "key-file" in flag or "interface" in flag]

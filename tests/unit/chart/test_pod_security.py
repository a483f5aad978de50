"""Pod Security Standards: every pod of the chart keeps to `restricted`, but for what the speaker's job forbids.

The rules are those of kubernetes.io/docs/concepts/security/pod-security-standards; the e2e tests ask a real API server.
"""

from typing import Any

from tests.unit.chart.test_chart import NAMESPACE, one, render

ALLOWED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"}
ALLOWED_VOLUMES |= {"secret"}
EVERYTHING = {
    "networkpolicies": {"enabled": True, "defaultDeny": True},
    "prometheus": {"scrapeAnnotations": True, "services": {"enabled": True}, "podMonitor": {"enabled": True}},
}


def pod_specs(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every pod that any object of the chart brings into being."""
    found = {}
    for thing in objects:
        spec = thing.get("spec") or {}
        if thing["kind"] == "Pod":
            found[thing["metadata"]["name"]] = spec
        elif isinstance(spec.get("template"), dict) and "spec" in spec["template"]:
            found[thing["metadata"]["name"]] = spec["template"]["spec"]
    return found


def violations(pod: dict[str, Any]) -> set[str]:
    """What the level `restricted` would forbid, in words."""
    found = {name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)}
    for volume in pod.get("volumes", ()):
        found |= {f"volume {kind}" for kind in volume if kind != "name" and kind not in ALLOWED_VOLUMES}
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
        name = container["name"]
        if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
            found.add(f"{name}: root")
        if context.get("allowPrivilegeEscalation") is not False:
            found.add(f"{name}: escalation")
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            found.add(f"{name}: keeps capabilities")
        found |= {f"{name}: {word}" for word in context.get("capabilities", {}).get("add", ())}
        if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.add(f"{name}: no seccomp profile")
        if context.get("privileged"):
            found.add(f"{name}: privileged")
        found |= {f"{name}: hostPort" for port in container.get("ports", ()) if "hostPort" in port}
    return found


def test_only_the_speaker_asks_for_more_than_restricted_and_only_for_its_job() -> None:
    found = {name: violations(pod) for name, pod in pod_specs(render(EVERYTHING)).items()}
    assert found.pop("heraldlb-speaker") == {"hostNetwork", "announcer: root", "announcer: NET_RAW"}
    assert set(found) == {"heraldlb-controller", "heraldlb-test"}
    assert not any(found.values()), found


def test_an_account_gives_its_token_only_to_pods_that_ask_for_it() -> None:
    objects = render(EVERYTHING)
    accounts = [found for found in objects if found["kind"] == "ServiceAccount"]
    assert {account["automountServiceAccountToken"] for account in accounts} == {False}
    wants = {name: pod.get("automountServiceAccountToken") for name, pod in pod_specs(objects).items()}
    assert wants == {"heraldlb-controller": True, "heraldlb-speaker": False, "heraldlb-test": True}


def test_every_namespaced_object_lies_in_the_release_s_namespace() -> None:
    objects = render(EVERYTHING)
    wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ValidatingWebhookConfiguration"}
    elsewhere = [
        f"{found['kind']} {found['metadata']['name']}"
        for found in objects
        if found["kind"] not in wide and found["metadata"].get("namespace") != NAMESPACE
    ]
    assert elsewhere == []
    assert one(objects, "Pod", "heraldlb-test")

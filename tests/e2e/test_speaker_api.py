"""The speaker against a real API server: what it tells the announcers, when, and what it survives."""

import base64
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from speaker.ipc.messages import BgpState, Counters, LinkDelta, LinkSnapshot, LinkState, Phase, SessionState
from tests.e2e.speaker_world import SYSTEM, Ear, Facts, Speaker, frozen_controllers
from tests.lab.lab import Lab
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
KINDS = "l2advertisements,ipaddresspools,bgpadvertisements,bgppeers,bfdprofiles,communities,bgpnodestatuses"
NAMESPACE = "speaking"


@pytest.fixture(scope="module")
def facts(api: Lab) -> Iterator[Facts]:
    """Nodes n1, n2, n3 and a namespace; nobody else writes."""
    api.kubectl("create", "namespace", NAMESPACE)
    api.try_kubectl("create", "namespace", SYSTEM)
    facts = Facts(api, NAMESPACE)
    with frozen_controllers(api):
        for name in ("n1", "n2", "n3"):
            facts.node(name)
        yield facts
        facts.delete("nodes", "n1", "n2", "n3")
    api.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def clean(facts: Facts) -> Iterator[Facts]:
    """One pool, one advertisement for all; everything of the test is gone afterwards."""
    facts.ours("IPAddressPool", "speaking", {"addresses": ["10.78.0.0/24", "fd00:78::/120"]})
    facts.ours("L2Advertisement", "speaking", {})
    yield facts
    facts.delete("services", "--all")
    facts.delete("endpointslices", "--all")
    facts.delete(KINDS, "--all")
    for name in ("n1", "n2", "n3"):
        facts.node(name)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(tmp_path)
    ear.listen()
    yield ear
    ear.close()


@pytest.fixture
def stopped(api: Lab, tmp_path: Path) -> Iterator[Speaker]:
    """A speaker that was not started yet."""
    speaker = Speaker(api, tmp_path)
    yield speaker
    speaker.end(signal.SIGKILL)


@pytest.fixture
def speaker(clean: Facts, ear: Ear, stopped: Speaker) -> Speaker:
    """A speaker that told its first picture, which is empty."""
    stopped.start()
    eventually(lambda: ear.link is not None and bool(ear.routes), within=20, what="the first picture")
    return stopped


def test_an_empty_cluster_is_told_too(speaker: Speaker, ear: Ear) -> None:
    [snapshot] = ear.snapshots
    assert snapshot == LinkSnapshot(
        node="n1", members=("n1", "n2", "n3"), announcements=(), node_addresses=("192.168.77.11",)
    )
    assert (ear.routes[0].peers, ear.routes[0].routes) == ((), ())
    assert speaker.page("readyz") == "ok\n"


def test_a_service_is_announced_followed_and_withdrawn(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.service("web", "10.78.0.1", "fd00:78::1")
    eventually(lambda: ear.announced == {"10.78.0.1", "fd00:78::1"}, within=5, what="both addresses")
    assert ear.link is not None
    assert sorted(ear.link["10.78.0.1"].candidates) == ["n1", "n2", "n3"]
    assert ear.link["10.78.0.1"].interfaces is None
    before = speaker.events().count("address_omitted")  # perhaps the Service came before its endpoints
    clean.endpoints("web")
    eventually(lambda: ear.announced == set(), within=5, what="silence without endpoints")
    eventually(lambda: speaker.events().count("address_omitted") == before + 2, within=5, what="the log says so")
    assert speaker.metric('heraldlb_speaker_omissions{protocol="layer2",reason="NoUsableEndpoint"}') == 2
    clean.endpoints("web", "n2")
    eventually(lambda: len(ear.announced) == 2, within=5, what="both addresses again")
    assert speaker.metric('heraldlb_speaker_announced_addresses{protocol="layer2"}') == 2
    assert speaker.events().count("address_omitted_no_more") == 2
    clean.delete("service", "web")
    eventually(lambda: ear.announced == set(), within=5, what="silence for a deleted Service")
    assert len(ear.snapshots) == 1, "changes are told as changes"


def test_a_service_that_is_no_load_balancer_any_more_is_withdrawn(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.service("web", "10.78.0.1")
    eventually(lambda: ear.announced == {"10.78.0.1"}, within=5, what="the address")
    clean.service("web", type="ClusterIP")
    eventually(lambda: ear.announced == set(), within=5, what="silence")


def test_a_node_that_is_not_ready_and_an_advertisement_that_changes_move_the_candidates(
    speaker: Speaker, ear: Ear, clean: Facts
) -> None:
    clean.service("web", "10.78.0.1", nodes=("n1", "n2"), externalTrafficPolicy="Local")

    def candidates() -> set[str]:
        entry = (ear.link or {}).get("10.78.0.1")
        return set(entry.candidates) if entry is not None else set()

    eventually(lambda: candidates() == {"n1", "n2"}, within=5, what="the nodes with endpoints")
    clean.node("n2", ready=False)
    eventually(lambda: candidates() == {"n1"}, within=5, what="only the node that is ready")
    selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
    clean.ours("L2Advertisement", "speaking", {"nodeSelectors": [selector]})
    eventually(lambda: candidates() == set(), within=5, what="nobody is selected")
    clean.ours("L2Advertisement", "speaking", {"interfaces": ["eth0"]})
    eventually(lambda: candidates() == {"n1"}, within=5, what="the node again")
    assert ear.link is not None
    assert ear.link["10.78.0.1"].interfaces == ("eth0",)


def test_only_services_of_our_class_and_without_class_are_announced(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.service("ours", "10.78.0.1", loadBalancerClass="heraldlb.io/heraldlb")
    clean.service("theirs", "10.78.0.2", loadBalancerClass="example.com/other")
    clean.service("anybodys", "10.78.0.3")
    eventually(lambda: ear.announced == {"10.78.0.1", "10.78.0.3"}, within=5, what="the two Services that are ours")


def test_a_burst_of_services_is_told_in_few_messages(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.service("web", *[f"10.78.0.{number}" for number in range(1, 101)])
    eventually(lambda: len(ear.announced) == 100, within=10, what="a hundred addresses")
    assert len([message for message in ear.said if isinstance(message, LinkDelta) and message.changed]) == 1


def test_an_announcer_that_comes_back_is_told_everything(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.service("web", "10.78.0.1")
    eventually(lambda: ear.announced == {"10.78.0.1"}, within=5, what="the address")
    ear.hang_up()
    eventually(lambda: "announcer.sock" in speaker.page("readyz"), within=5, what="not ready without announcer")
    assert "bgp.sock" in speaker.page("readyz")
    clean.service("api", "10.78.0.2")
    ear.forget()
    ear.listen()
    eventually(lambda: ear.announced == {"10.78.0.1", "10.78.0.2"}, within=10, what="the whole picture")
    assert len(ear.snapshots) == 1
    eventually(lambda: len(ear.routes) == 1, within=10, what="the BGP picture")
    assert {"announcer_lost", "bgp_lost"} <= set(speaker.events())


def test_nothing_is_said_before_everything_was_listed(api: Lab, clean: Facts, ear: Ear, stopped: Speaker) -> None:
    clean.service("web", "10.78.0.1")
    api.stop_api_server()
    try:
        stopped.start()
        eventually(lambda: ear.connections == 2, within=15, what="the speaker connects")
        eventually(lambda: "not listed yet" in stopped.page("readyz"), within=5, what="it is not ready")
        eventually(lambda: stopped.events().count("watch_failing") >= 10, within=10, what="it asked for each resource")
        assert ear.said == []
    finally:
        api.start_api_server()
    eventually(lambda: ear.link is not None, within=40, what="the first picture")
    assert [len(snapshot.announcements) for snapshot in ear.snapshots] == [1]


def test_while_the_api_server_is_away_nothing_is_withdrawn_and_afterwards_changes_are_followed(
    api: Lab, speaker: Speaker, ear: Ear, clean: Facts
) -> None:
    clean.service("web", "10.78.0.1")
    eventually(lambda: ear.announced == {"10.78.0.1"}, within=5, what="the address")
    ear.forget()
    api.stop_api_server()
    try:
        eventually(lambda: speaker.events().count("watch_failing") >= 10, within=30, what="it misses the API server")
        ear.hang_up()
        ear.listen()
        eventually(lambda: ear.announced == {"10.78.0.1"}, within=5, what="a new announcer is told all the same")
        assert speaker.page("readyz") == "ok\n"
    finally:
        api.start_api_server()
    clean.service("api", "10.78.0.2")
    eventually(lambda: ear.announced == {"10.78.0.1", "10.78.0.2"}, within=60, what="the new Service")
    assert all(not message.removed for message in ear.said if isinstance(message, LinkDelta))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_speaker_that_ends_withdraws_nothing_and_the_next_one_tells_the_same(
    speaker: Speaker, ear: Ear, clean: Facts, number: signal.Signals
) -> None:
    clean.service("web", "10.78.0.1")
    eventually(lambda: ear.announced == {"10.78.0.1"}, within=5, what="the address")
    ear.forget()
    speaker.end(number, within=3)
    assert ear.said == []
    speaker.start()
    eventually(lambda: ear.announced == {"10.78.0.1"}, within=20, what="the next speaker's picture")
    assert len(ear.said) == len(ear.snapshots) + len(ear.routes)


def test_a_peer_with_a_password_never_loses_its_session_when_the_speaker_starts_again(
    speaker: Speaker, ear: Ear, clean: Facts
) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tor", "namespace": SYSTEM},
        "type": "kubernetes.io/basic-auth",
        "data": {"username": "", "password": base64.b64encode(b"s3cret").decode()},
    }
    peer = {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1", "passwordSecret": {"name": "tor"}}
    clean.ours("BGPPeer", "tor", peer)
    eventually(lambda: "peer_without_session" in speaker.events(), within=5, what="the Secret is missed")
    clean.apply(secret)
    speaker.end()
    ear.forget()
    speaker.start()
    eventually(lambda: bool(ear.routes), within=20, what="the BGP picture")
    assert [[entry.password for entry in snapshot.peers] for snapshot in ear.routes] == [["s3cret"]]
    assert "s3cret" not in speaker.log.read_text()
    clean.lab.kubectl("-n", SYSTEM, "delete", "secret", "tor")


def test_an_address_is_told_to_bgp_with_its_peer(speaker: Speaker, ear: Ear, clean: Facts) -> None:
    clean.ours("BGPPeer", "tor", {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1"})
    clean.ours("BGPAdvertisement", "all", {})
    clean.service("web", "10.78.0.1")

    def routes() -> list[tuple[str, tuple[str, ...]]]:
        return [(route.prefix, route.peers) for route in ear.routes[-1].routes]

    eventually(lambda: routes() == [("10.78.0.1/32", ("tor",))], within=5, what="the route")
    clean.node("n1", ready=False)
    eventually(lambda: routes() == [], within=5, what="no route from a node that is not ready")


def test_what_the_announcers_report_is_in_the_metrics_and_in_the_log(speaker: Speaker, ear: Ear) -> None:
    ear.tell("announcer.sock", LinkState(owned={"10.78.0.1": ("eth0",)}))
    ear.tell("announcer.sock", Counters(values={"heraldlb_layer2_owned_addresses": {"": 1.0}}))
    ear.tell("bgp.sock", BgpState(sessions=(SessionState(peer="tor", up=True, routes=3),)))
    eventually(lambda: speaker.metric("heraldlb_layer2_owned_addresses") == 1, within=5, what="owned addresses")
    eventually(lambda: speaker.metric('heraldlb_bgp_session_up{peer="tor"}') == 1, within=5, what="the session")
    assert speaker.metric('heraldlb_bgp_announced_prefixes{peer="tor"}') == 3
    assert speaker.metric("heraldlb_speaker_loop_lag_seconds") is not None
    assert {"address_owned", "bgp_session_up"} <= set(speaker.events())


def test_a_node_that_does_not_exist_is_said(clean: Facts, ear: Ear, stopped: Speaker) -> None:
    stopped.start(node="ghost")
    eventually(lambda: "there is no Node ghost" in stopped.page("readyz"), within=20, what="readiness names the node")


def test_bad_credentials_are_one_sentence(api: Lab, tmp_path: Path, stopped: Speaker) -> None:
    stopped.start(f"--kubeconfig={tmp_path / 'missing'}")
    said = "cannot log in to the API server"
    eventually(lambda: stopped.log.exists() and said in stopped.log.read_text(), within=15, what="the sentence")
    eventually(lambda: not stopped.pids(), within=5, what="the speaker ends")
    text = stopped.log.read_text()
    assert "Traceback" not in text


def conditions(lab: Lab, *words: str) -> dict[str, dict[str, Any]]:
    found = json.loads(lab.kubectl("get", *words, "-o", "json"))
    return {entry["type"]: entry for entry in found.get("status", {}).get("conditions", [])}


def test_sessions_are_told_on_the_node_s_object_on_the_peer_and_on_the_service_and_nothing_is_written_in_rest(
    api: Lab, speaker: Speaker, ear: Ear, clean: Facts
) -> None:
    clean.delete("l2advertisements", "--all")
    clean.delete("nodes", "n2", "n3")
    clean.ours("BGPPeer", "tor", {"myASN": 64512, "peerASN": 64500, "peerAddress": "192.168.77.1"})
    clean.ours("BGPAdvertisement", "all", {})
    clean.service("web", "10.78.0.1")
    eventually(lambda: bool(ear.routes) and bool(ear.routes[-1].peers), within=5, what="the peer")
    ear.tell("announcer.sock", LinkState(owned={}))
    why = "peer 192.168.77.1 refused: OPEN error bad peer AS; it says 65010, you say 64500"
    ear.tell("bgp.sock", BgpState(sessions=(SessionState(peer="tor", up=False, since=1000, last_error=why),)))
    web = ("service", "-n", NAMESPACE, "web")

    def told(type_: str, *words: str) -> str:
        entry = conditions(api, *words).get(type_, {})
        return " ".join(str(entry.get(name)) for name in ("status", "reason", "message"))

    eventually(lambda: why in told("Established", "bgppeer", "tor"), within=10, what="the error on the BGPPeer")
    assert told("Established", "bgppeer", "tor").startswith("False NoSessionEstablished 0 of 1 node")
    eventually(lambda: "False NoSession" in told("heraldlb.io/Announced", *web), within=10, what="it is not announced")
    ear.tell("bgp.sock", BgpState(sessions=(SessionState(peer="tor", up=True, phase=Phase.ESTABLISHED, routes=1),)))
    announced = "True Announced 10.78.0.1 is announced by BGP from 1 node to 1 peer"
    eventually(lambda: told("heraldlb.io/Announced", *web) == announced, within=15, what="it is announced")
    eventually(lambda: "True AllEstablished" in told("Established", "bgppeer", "tor"), within=15, what="the peer is up")
    [session] = json.loads(api.kubectl("get", "bgpnodestatus", "n1", "-o", "json"))["status"]["sessions"]
    assert (session["peer"], session["state"], session["routes"]) == ("tor", "Established", 1)
    assert "tor" in api.kubectl("get", "bgpstatus")

    def versions() -> list[str]:
        listed = (("bgpnodestatus", "n1"), ("bgppeer", "tor"), web)
        return [api.kubectl("get", *words, "-o", "jsonpath={.metadata.resourceVersion}") for words in listed]

    before = versions()
    clean.ours("BGPAdvertisement", "unrelated", {"peers": ["nobody"]})
    time.sleep(4)
    assert versions() == before, "something was written though nothing changed"
    clean.delete("bgpadvertisements", "--all")
    eventually(lambda: "NoMatchingAdvertisement" in told("heraldlb.io/Announced", *web), within=40, what="why not")

"""The preflight's shell: what is read from a node's files, told once and shown."""

import asyncio
from pathlib import Path

import pytest
import structlog

from lb_controller.runtime.metrics import exposition, registry
from speaker.app import node_facts
from speaker.app.preflight import Preflight
from speaker.decide.preflight import Finding, Link, NodeFacts

LISTENING = "   0: 00000000:1F0A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0"
CONNECTED = "   1: 0100007F:0016 0100007F:A2B4 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def interface(root: Path, name: str, *, state: str = "up", kind: str = "1", mtu: int = 1500) -> None:
    folder = root / "sys" / "class" / "net" / name
    folder.mkdir(parents=True)
    for file, text in (("operstate", state), ("type", kind), ("mtu", str(mtu))):
        (folder / file).write_text(f"{text}\n")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_facts, "PROXY_MODE_URL", "http://127.0.0.1:1/proxyMode")


def read(root: Path, *addresses: str) -> NodeFacts:
    return asyncio.run(node_facts.read(addresses, 0.5, root=root))


def test_interfaces_that_are_down_bound_excluded_or_no_ethernet_do_not_count(tmp_path: Path) -> None:
    interface(tmp_path, "eth0")
    interface(tmp_path, "eth0.100", mtu=1280)
    interface(tmp_path, "eth1", state="down")
    interface(tmp_path, "veth12")
    interface(tmp_path, "wg0", kind="65534")
    interface(tmp_path, "eth2")
    (tmp_path / "sys/class/net/eth2/master").symlink_to("bond0")
    write(tmp_path, proc__net__if_inet6="fe80000000000000505400fffe000001 02 40 20 80     eth0\n")
    assert read(tmp_path).links == (Link("eth0", 1500, link_local=True), Link("eth0.100", 1280, link_local=False))


def test_kernel_settings_are_read_also_of_interfaces_with_a_dot_in_their_name(tmp_path: Path) -> None:
    interface(tmp_path, "eth0.100")
    write(tmp_path, proc__sys__net__ipv4__ip_forward="1\n", proc__sys__net__ipv4__conf__all__rp_filter="2\n")
    folder = tmp_path / "proc/sys/net/ipv4/conf/eth0.100"
    folder.mkdir()
    (folder / "rp_filter").write_text("1\n")
    values = {"ipv4.ip_forward": 1, "ipv4.conf.all.rp_filter": 2, "ipv4.conf.eth0.100.rp_filter": 1}
    assert read(tmp_path).sysctls == values


def test_only_listening_sockets_count_and_the_port_is_hexadecimal(tmp_path: Path) -> None:
    write(tmp_path, proc__net__tcp=f"  sl  local_address rem_address   st\n{LISTENING}\n{CONNECTED}\n")
    assert read(tmp_path).listening == {("tcp", 7946)}


def test_an_address_that_the_node_has_is_told_apart_from_one_that_it_has_not(tmp_path: Path) -> None:
    assert read(tmp_path, "127.0.0.1", "192.0.2.1").own_addresses == ("127.0.0.1",)


def test_a_node_that_shows_nothing_gives_no_facts_and_no_error(tmp_path: Path) -> None:
    assert read(tmp_path) == NodeFacts(lag=0.5)


def test_a_finding_is_told_when_it_is_new_different_or_gone_and_shown_meanwhile() -> None:
    metrics = registry()
    preflight = Preflight(metrics, lambda: None)
    with structlog.testing.capture_logs() as lines:
        for found in ({Finding.SLOW_LOOP: "a"}, {Finding.SLOW_LOOP: "a"}, {Finding.SLOW_LOOP: "b"}):
            preflight.tell(found)
        assert 'heraldlb_preflight_findings{finding="SlowLoop"} 1.0' in exposition(metrics).decode()
        preflight.tell({})
    told = [(line["event"], line["log_level"], line.get("why")) for line in lines]
    new, gone = "preflight_finding", "preflight_finding_gone"
    assert told == [(new, "warning", "a"), (new, "warning", "b"), (gone, "info", None)]
    assert 'heraldlb_preflight_findings{finding="SlowLoop"} 0.0' in exposition(metrics).decode()
    assert exposition(metrics).decode().count("heraldlb_preflight_findings{") == len(Finding)

"""The preflight in a namespace of its own: the real kernel's files say what was set there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.e2e
NAME = f"hlpre{os.getpid()}"
READ = """
import asyncio, json
from speaker.app.node_facts import read
from speaker.decide.preflight import Needs, findings
facts = asyncio.run(read(["10.9.9.9", "fd00:9::9"], 0.0))
print(json.dumps(sorted(findings(facts, Needs(ipv4=True, ipv6=True, bgp=True)))))
"""


def run(*words: str) -> str:
    return subprocess.run(["ip", "netns", "exec", NAME, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def namespace() -> Iterator[None]:
    """One Ethernet interface with carrier, forwarding on."""
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "vethx")
        for name in ("eth0", "vethx"):
            run("ip", "link", "set", name, "up")
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            run("sysctl", "-qw", f"net.{name}=1")
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


def found() -> set[str]:
    return set(json.loads(run(sys.executable, "-c", READ)))


def test_a_node_in_order_has_no_findings(namespace: None) -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (["sysctl -qw net.ipv4.ip_forward=0"], "ForwardingOff"),
        (["ip -6 address flush dev eth0"], "NoLinkLocalAddress"),
        (["ip link set eth0 mtu 1200"], "MtuTooSmall"),
        (["ip link set eth0 down"], "NoUsableInterface"),
        (["ip address add 10.9.9.9/32 dev eth0"], "AddressOnInterface"),
        (["ip address add fd00:9::9/128 dev eth0 nodad"], "AddressOnInterface"),
        (
            [
                "ip link add eth1 type veth peer name vethy",
                "ip link set eth1 up",
                "ip link set vethy up",
                "sysctl -qw net.ipv4.conf.eth1.rp_filter=1",
            ],
            "ReversePathStrict",
        ),
    ],
    ids=["forwarding", "link-local", "mtu", "down", "own IPv4", "own IPv6", "rp_filter"],
)
def test_what_is_set_on_the_real_kernel_is_found(namespace: None, change: list[str], finding: str) -> None:
    for command in change:
        run(*command.split())
    assert found() == {finding}

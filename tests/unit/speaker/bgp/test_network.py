"""The kernel's NDP table as rtnetlink tells it, from bytes."""

import ipaddress
import struct

import pytest

from speaker.bgp.network import Kernel, has_gateway, neighbour_table

REACHABLE, STALE, FAILED, INCOMPLETE, NOARP = 0x02, 0x04, 0x20, 0x01, 0x40
ROUTER = 0x80


def entry(address: str, index: int = 2, state: int = STALE, flags: int = 0) -> bytes:
    """One RTM_NEWNEIGH: a link-layer address first, then the address, as the kernel may order them."""
    packed = ipaddress.ip_address(address).packed
    family = 10 if len(packed) == 16 else 2
    body = struct.pack("=BxxxiHBB", family, index, state, flags, 1)
    body += struct.pack("=HH6sxx", 10, 2, b"\x02\0\0\0\0\x01") + struct.pack("=HH", 4 + len(packed), 1) + packed
    return struct.pack("=IHHII", 16 + len(body), 28, 2, 1, 7) + body


DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 7, 0)


def table(*entries: bytes) -> list[tuple[int, str, bool]]:
    return [(index, str(address), router) for index, address, router in neighbour_table(b"".join(entries) + DONE)]


def test_link_local_neighbours_are_found_with_their_interface_and_router_flag() -> None:
    found = table(entry("fe80::1", flags=ROUTER), entry("fe80::2", index=3, state=REACHABLE), entry("2001:db8::1"))
    assert found == [(2, "fe80::1", True), (3, "fe80::2", False)]


@pytest.mark.parametrize("state", [FAILED, INCOMPLETE, NOARP])
def test_who_does_not_answer_is_no_neighbour(state: int) -> None:
    assert table(entry("fe80::1", state=state)) == []


def test_ipv4_neighbours_are_passed_over() -> None:
    assert table(entry("192.0.2.1"), entry("fe80::1")) == [(2, "fe80::1", False)]


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    with pytest.raises(OSError, match="does not tell"):
        list(neighbour_table(struct.pack("=IHHIIi", 20, 2, 0, 1, 7, -1)))


def test_the_real_kernel_answers() -> None:
    assert all(found.address.is_link_local for found in Kernel().neighbours("lo"))
    with pytest.raises(OSError, match="no interface"):
        Kernel().neighbours("nosuchdevice")


def test_this_host_is_on_its_own_link_and_nowhere_is_not() -> None:
    assert Kernel().on_link(ipaddress.ip_address("127.0.0.1"), "")
    with pytest.raises(OSError, match="no route"):
        has_gateway(struct.pack("=IHHIIi", 20, 2, 0, 1, 7, -101))


@pytest.mark.parametrize(("attribute", "gateway"), [(5, True), (4, False)])
def test_a_route_with_a_gateway_leads_off_the_link(attribute: int, gateway: bool) -> None:
    body = struct.pack("=8BI", 2, 32, 0, 0, 254, 0, 0, 1, 0) + struct.pack("=HH4s", 8, attribute, b"\xc0\0\2\1")
    assert has_gateway(struct.pack("=IHHII", 16 + len(body), 24, 0, 1, 7) + body) is gateway

"""A session for tests."""

import ipaddress

from lb_controller.model.address import Family
from speaker.bgp.sessions import Session

V4, V6 = ipaddress.ip_address("192.0.2.11"), ipaddress.ip_address("2001:db8::11")


def session(name: str = "tor", address: str = "192.0.2.1", **changes: object) -> Session:
    """A plain eBGP session for IPv4 routes."""
    given = {
        "name": name,
        "address": ipaddress.ip_address(address),
        "local_address": V6 if ":" in address else V4,
        "local_asn": 64512,
        "peer_asn": 64500,
        "router_id": ipaddress.IPv4Address("192.0.2.11"),
        "next_hops": {Family.IPV4: V4},
    }
    return Session(**{**given, **changes})  # type: ignore[arg-type]

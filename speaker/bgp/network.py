"""What the kernel says about the way to a peer."""

import ipaddress
import socket

from lb_controller.model.address import Address


def local_address(peer: Address, interface: str) -> Address:
    """The source address that the kernel would use towards `peer`. Nothing is sent. Raises OSError without a route."""
    family = socket.AF_INET6 if peer.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        if interface:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        probe.connect((str(peer), 179))
        text: str = probe.getsockname()[0]
    return ipaddress.ip_address(text.partition("%")[0])

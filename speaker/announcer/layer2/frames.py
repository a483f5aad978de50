"""The frames of one address on one interface, made when the node takes the address; at run time bytes are copied.

scapy builds one frame of each kind for each interface, and every address is written into its bytes: 1,000 addresses
taken over at once would otherwise keep the loop busy for half a second, and nobody would be answered meanwhile. A test
holds each frame against the one that scapy builds for the address itself.

RFC 5227 3 names the ARP announcement (request) as the usual form; the reply is sent beside it because some hosts heed
only that. The unsolicited neighbour advertisement has the Override flag (RFC 4861 7.2.6), so that caches take the new
owner.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address

from scapy.config import conf

# Routes are of no use here, and on a node with thousands of them reading them costs seconds and 100 MB.
conf.route_autoload = False
conf.route6_autoload = False

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402

from lb_controller.model.address import Address  # noqa: E402
from speaker.announcer.layer2 import arp, ndp  # noqa: E402


@dataclass(frozen=True, slots=True)
class Frames:
    """What is sent for one address from one interface: gratuitous frames, and the prepared answer."""

    gratuitous: tuple[bytes, ...]
    reply: arp.PreparedReply | None = None
    advertisement: ndp.PreparedAdvertisement | None = None


def build(address: Address, mac: bytes) -> Frames:
    """The frames of `address` from the interface with hardware address `mac` (6 bytes)."""
    if isinstance(address, IPv4Address):
        request, reply = (arp.with_address(frame, address.packed) for frame in _arp_templates(mac))
        return Frames((request, reply), reply=arp.prepare(reply))
    frame = ndp.with_address(_ndp_template(mac), address.packed)
    return Frames((frame,), advertisement=ndp.prepare(frame))


@lru_cache(maxsize=256)
def _arp_templates(mac: bytes) -> tuple[bytes, bytes]:
    hardware, everybody, address = mac.hex(":"), "ff:ff:ff:ff:ff:ff", "0.0.0.0"
    ethernet = Ether(src=hardware, dst=everybody)
    request = ethernet / ARP(op=1, hwsrc=hardware, psrc=address, hwdst="00:00:00:00:00:00", pdst=address)
    reply = ethernet / ARP(op=2, hwsrc=hardware, psrc=address, hwdst=everybody, pdst=address)
    return bytes(request), bytes(reply)


@lru_cache(maxsize=256)
def _ndp_template(mac: bytes) -> bytes:
    hardware = mac.hex(":")
    ethernet = Ether(src=hardware, dst="33:33:00:00:00:01")
    advertisement = ICMPv6ND_NA(R=0, S=0, O=1, tgt="::") / ICMPv6NDOptDstLLAddr(lladdr=hardware)
    return bytes(ethernet / IPv6(src="::", dst="ff02::1", hlim=255) / advertisement)

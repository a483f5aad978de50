"""The frames of one address on one interface, built once by scapy; at run time only bytes are copied.

RFC 5227 3 names the ARP announcement (request) as the usual form; the reply is sent beside it because some hosts heed
only that. The unsolicited neighbour advertisement has the Override flag (RFC 4861 7.2.6), so that caches take the new
owner.
"""

from dataclasses import dataclass
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
    hardware = mac.hex(":")
    if isinstance(address, IPv4Address):
        return _arp_frames(str(address), hardware)
    return _ndp_frames(str(address), hardware)


def _arp_frames(address: str, hardware: str) -> Frames:
    everybody = "ff:ff:ff:ff:ff:ff"
    ethernet = Ether(src=hardware, dst=everybody)
    request = ethernet / ARP(op=1, hwsrc=hardware, psrc=address, hwdst="00:00:00:00:00:00", pdst=address)
    reply = ethernet / ARP(op=2, hwsrc=hardware, psrc=address, hwdst=everybody, pdst=address)
    return Frames((bytes(request), bytes(reply)), reply=arp.prepare(bytes(reply)))


def _ndp_frames(address: str, hardware: str) -> Frames:
    ethernet = Ether(src=hardware, dst="33:33:00:00:00:01")
    ip = IPv6(src=address, dst="ff02::1", hlim=255)
    advertisement = ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=hardware)
    frame = bytes(ethernet / ip / advertisement)
    return Frames((frame,), advertisement=ndp.prepare(frame))

"""What others say on one interface about the addresses of the cluster, and what the members ask.

Two packet sockets of their own, with their own filters: the sockets that answer are not disturbed by what is merely
listened to.
"""

from collections.abc import Callable, Collection

from lb_controller.model.address import Address
from speaker.announcer.layer2 import arp, ndp
from speaker.announcer.layer2 import filter as bpf
from speaker.announcer.net.interfaces import Interface
from speaker.announcer.net.packet_socket import PacketSocket

BATCH = 64
Reader = tuple[PacketSocket, Callable[[], None]]


class Ear:
    """Listens on one interface; raises OSError when it went away."""

    def __init__(
        self,
        interface: Interface,
        on_arp: Callable[[arp.Observation], None],
        on_ndp: Callable[[ndp.Observation], None],
    ) -> None:
        self.interface = interface
        self._on_arp, self._on_ndp = on_arp, on_ndp
        self.arp_socket = PacketSocket(interface.name, arp.ETHERTYPE)
        try:
            self.ndp_socket = PacketSocket(interface.name, ndp.ETHERTYPE)
        except OSError:
            self.arp_socket.close()
            raise
        self.readers: tuple[Reader, ...] = ((self.arp_socket, self._read_arp), (self.ndp_socket, self._read_ndp))

    def listen_for(self, addresses: Collection[Address], members: Collection[Address]) -> None:
        """Hear who uses these addresses, and what the members (by their own addresses) ask."""
        v4 = [int(address) for address in [*addresses, *members] if address.version == 4]
        v6 = [int(address) & 0xFFFFFFFF for address in addresses if address.version == 6]
        self.arp_socket.attach(bpf.arp_ear(v4))
        self.ndp_socket.attach(bpf.ndp_ear(v6))

    def ask(self, address: Address, sender: Address) -> None:
        """Ask who answers for the address, from the node's own address of the same family."""
        if address.version == 4:
            self.arp_socket.send(arp.question(self.interface.mac, sender.packed, address.packed))
        else:
            self.ndp_socket.send(ndp.question(self.interface.mac, sender.packed, address.packed))

    def close(self) -> None:
        self.arp_socket.close()
        self.ndp_socket.close()

    def _read_arp(self) -> None:
        for _ in range(BATCH):
            frame = self.arp_socket.receive()
            if frame is None:
                return
            seen = arp.observe(frame)
            if seen is not None and seen.hardware != self.interface.mac:
                self._on_arp(seen)

    def _read_ndp(self) -> None:
        for _ in range(BATCH):
            frame = self.ndp_socket.receive()
            if frame is None:
                return
            seen = ndp.observe(frame)
            if seen is not None and seen.hardware != self.interface.mac:
                self._on_ndp(seen)

"""One interface of the node: its packet sockets and the prepared answers for the addresses owned on it.

A frame is answered when it is well-formed, asks for an address owned on this interface, and came in addressed to us:
bytes in, bytes out, one dictionary look-up. Everything else is counted by reason.
"""

import contextlib
from collections import Counter
from collections.abc import Callable

from lb_controller.model.address import Address, Family, family_of
from speaker.announcer.layer2 import arp, ndp
from speaker.announcer.layer2 import filter as bpf
from speaker.announcer.layer2.frames import Frames, build
from speaker.announcer.layer2.malformed import Drop, MalformedPacket
from speaker.announcer.net.groups import Groups
from speaker.announcer.net.interfaces import Interface
from speaker.announcer.net.packet_socket import PacketSocket

BATCH = 64  # frames read before other work has its turn
Count = Counter[tuple[str, str]]  # (counter, label) -> number
Watch = Callable[[PacketSocket, Callable[[], None]], None]


class Port:
    """The sockets of one interface. Raises OSError when it went away, PermissionError without CAP_NET_RAW."""

    def __init__(
        self, interface: Interface, groups: Groups, count: Count, watch: Watch, awake: Callable[[], bool]
    ) -> None:
        self.interface, self._awake = interface, awake
        self.opened = False  # not yet told to the machine
        self._groups, self._count = groups, count
        self._frames: dict[Address, Frames] = {}
        self._by_target: dict[bytes, Frames] = {}
        self.arp_socket = PacketSocket(interface.name, arp.ETHERTYPE)
        try:
            self.ndp_socket = PacketSocket(interface.name, ndp.ETHERTYPE)
        except OSError:
            self.arp_socket.close()
            raise
        watch(self.arp_socket, self._on_arp)
        watch(self.ndp_socket, self._on_ndp)

    # --- addresses

    def own(self, address: Address) -> None:
        """Answer for the address; `refilter` afterwards lets its requests through."""
        if address in self._frames:
            return
        frames = build(address, self.interface.mac)
        self._frames[address] = self._by_target[address.packed] = frames
        if address.version == 6:
            self._join(ndp.solicited_node(address.packed))

    def _join(self, group: bytes) -> None:
        try:
            self._groups.join(self.interface.index, group)
        except OSError:
            # IPv6 is switched off on the interface (or it went away just now). Nobody tells the switch of the group
            # then, but what comes in is heard all the same.
            with contextlib.suppress(OSError):
                self.ndp_socket.hear_all_groups()

    def release(self, address: Address) -> None:
        """Answer no more, from this moment."""
        if self._frames.pop(address, None) is None:
            return
        del self._by_target[address.packed]
        if address.version == 6:
            self._groups.leave(self.interface.index, ndp.solicited_node(address.packed))

    def refilter(self) -> None:
        """Let the kernel pass what asks for the owned addresses, and nothing else."""
        numbers: dict[int, list[int]] = {4: [], 6: []}
        for address in self._frames:
            numbers[address.version].append(int(address) & 0xFFFFFFFF)
        self.arp_socket.attach(bpf.arp_program(numbers[4]))
        self.ndp_socket.attach(bpf.ndp_program(numbers[6]))

    def announce(self, address: Address) -> None:
        """Send the gratuitous frames of the address."""
        frames = self._frames.get(address)
        if frames is None:
            return
        chosen = self.arp_socket if address.version == 4 else self.ndp_socket
        for frame in frames.gratuitous:
            if chosen.send(frame):
                self._count["heraldlb_layer2_gratuitous_sent_total", family_of(address)] += 1

    def count_lost(self) -> None:
        """Count what the kernel dropped because this process was slow."""
        lost = self.arp_socket.lost() + self.ndp_socket.lost()
        if lost:
            self._count["heraldlb_layer2_dropped_total", Drop.QUEUE_FULL] += lost

    def close(self) -> None:
        for address in list(self._frames):
            self.release(address)
        self.arp_socket.close()
        self.ndp_socket.close()

    # --- the hot path

    def _on_arp(self) -> None:
        awake = self._awake()
        for _ in range(BATCH):
            frame = self.arp_socket.receive()
            if frame is None:
                return
            try:
                request = arp.parse_request(frame, self.interface.mac)
            except MalformedPacket as error:
                self._dropped(error.reason)
                continue
            frames = self._by_target.get(request.target)
            if frames is None or frames.reply is None:
                self._dropped(Drop.NOT_OWNED)
                continue
            if not awake:
                self._dropped(Drop.SILENT)
                continue
            self._count["heraldlb_layer2_requests_received_total", Family.IPV4] += 1
            self._answer(self.arp_socket, frames.reply.to(request), Family.IPV4)

    def _on_ndp(self) -> None:
        awake = self._awake()
        for _ in range(BATCH):
            frame = self.ndp_socket.receive()
            if frame is None:
                return
            try:
                asked = ndp.parse_solicitation(frame, self.interface.mac)
            except MalformedPacket as error:
                self._dropped(error.reason)
                continue
            frames = self._by_target.get(asked.target)
            if frames is None or frames.advertisement is None:
                self._dropped(Drop.NOT_OWNED)
                continue
            if not awake:
                self._dropped(Drop.SILENT)
                continue
            self._count["heraldlb_layer2_requests_received_total", Family.IPV6] += 1
            self._answer(self.ndp_socket, frames.advertisement.to(asked), Family.IPV6)

    def _answer(self, chosen: PacketSocket, frame: bytes, family: Family) -> None:
        if chosen.send(frame):
            self._count["heraldlb_layer2_responses_sent_total", family] += 1
        else:
            self._dropped(Drop.NOT_SENT)

    def _dropped(self, reason: Drop) -> None:
        self._count["heraldlb_layer2_dropped_total", reason] += 1

"""The link where the members meet: datagrams in and out, who has which address there, and what the wire tells.

A member's address is where its authenticated datagrams come from, so nobody needs to be told. Its hardware address is
that of its own ARP.
"""

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address

from lb_controller.model.address import Address
from speaker.announcer.layer2 import arp, ndp
from speaker.announcer.net.ear import Ear
from speaker.announcer.net.link_socket import TTL, LinkSocket
from speaker.announcer.net.local import Local, hardware_of
from speaker.announcer.net.packet_socket import PacketSocket
from speaker.announcer.ownership.codec import decode, encode
from speaker.announcer.ownership.events import Answered, Asked, Claimed, Event, Received
from speaker.announcer.ownership.keyring import Keyring
from speaker.announcer.ownership.malformed import MalformedPacket
from speaker.announcer.ownership.messages import Flag, Message, node_id

BATCH = 64
Count = Counter[tuple[str, str]]
Sockets = PacketSocket | LinkSocket
DROPPED = "heraldlb_ownership_dropped_total"


class Meeting:
    """Open on one interface. `on_events` is called with what was read; raises OSError when it cannot open."""

    def __init__(
        self, local: Local, port: int, keyring: Keyring, count: Count, on_events: Callable[[list[Event]], None]
    ) -> None:
        self.local, self.keyring, self._count, self._on_events = local, keyring, count, on_events
        self.addresses: dict[str, Address] = {}  # member -> its address on this link
        self._by_id: dict[int, str] = {}
        self._known: frozenset[Address] = frozenset()
        self._by_hardware: dict[bytes, str] = {}
        self._socket = LinkSocket(local, port)
        try:
            self.ear = Ear(local.interface, self._on_arp, self._on_ndp)
        except OSError:
            self._socket.close()
            raise

    @property
    def readers(self) -> tuple[tuple[Sockets, Callable[[], None]], ...]:
        """Each socket, and what to call when it has something."""
        return (self._socket, self._read), *self.ear.readers

    def close(self) -> None:
        self._socket.close()
        self.ear.close()

    # --- whom and what this is about

    def set_members(self, names: frozenset[str]) -> None:
        """Every node that runs an announcer on this link."""
        self._by_id = {node_id(name): name for name in names}
        self.addresses = {name: address for name, address in self.addresses.items() if name in names}
        self._relisten()

    def set_known(self, addresses: frozenset[Address]) -> None:
        """The addresses that anybody of the cluster may own."""
        if addresses != self._known:
            self._known = addresses
            self._relisten()

    def _relisten(self) -> None:
        self.ear.listen_for(self._known, self.addresses.values())

    # --- out

    def send(self, message: Message, to: str | None) -> None:
        """A datagram to one member, or to everybody; to one whose address is not known it goes to everybody.

        After a loss of carrier the kernel knows no neighbour, and asks for one again only after a second when its
        first question was lost, as it is where a switch port comes up. So an urgent word brings a question of its own.
        """
        address = self.addresses.get(to) if to is not None else None
        if address is not None and message.header.flags & Flag.WANT:
            self.ask(address)
        if not self._socket.send(encode(message, self.keyring), str(address) if address is not None else None):
            self._count[DROPPED, "not_sent"] += 1

    def ask(self, address: Address) -> None:
        """Ask the wire who answers for the address."""
        sender: Address | None = self.local.v6
        if address.version == 4:
            sender = self.local.v4.ip if self.local.v4 is not None else IPv4Address(0)
        if sender is not None:
            self.ear.ask(address, sender)

    # --- in

    def _read(self) -> None:
        events: list[Event] = []
        for _ in range(BATCH):
            received = self._socket.receive()
            if received is None:
                break
            datagram, source, ttl = received
            if ttl != TTL:
                self._count[DROPPED, "ttl"] += 1
                continue
            try:
                message = decode(datagram, self.keyring)
            except MalformedPacket as error:
                self._count[DROPPED, error.reason] += 1
                continue
            self._learn(message.header.sender, ip_address(source))
            events.append(Received(message))
        if events:
            self._on_events(events)

    def _learn(self, sender: int, source: Address) -> None:
        name = self._by_id.get(sender)
        if name is not None and self.addresses.get(name) != source:
            self.addresses[name] = source
            self._relisten()

    def _on_arp(self, seen: arp.Observation) -> None:
        sender, target = IPv4Address(seen.sender), IPv4Address(seen.target)
        for name, address in self.addresses.items():
            if address == sender:
                self._by_hardware[seen.hardware] = name
                if seen.asks and target in self._known:
                    self._on_events([Asked(target, name)])
                return
        if sender in self._known:
            kind = Claimed if seen.asks or seen.claims else Answered
            self._on_events([kind(sender, self._member(seen.hardware), seen.hardware)])

    def _on_ndp(self, seen: ndp.Observation) -> None:
        address = ip_address(seen.target)
        if address in self._known:
            kind = Answered if seen.solicited else Claimed
            self._on_events([kind(address, self._member(seen.hardware), seen.hardware)])

    def _member(self, hardware: bytes) -> str | None:
        """The member with that hardware address; the kernel knows those that this node spoke with."""
        if hardware not in self._by_hardware:
            for name, address in self.addresses.items():
                if hardware_of(str(address)) == hardware:
                    self._by_hardware[hardware] = name
        return self._by_hardware.get(hardware)

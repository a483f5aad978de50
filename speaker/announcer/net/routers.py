"""Sends Router Advertisements on the interfaces of unnumbered BGP peers, as the BGP container asks over `radv.sock`.

That container has no right to raw sockets, and this one has. The last wish stays in force while it is away.
"""

import asyncio
import fcntl
import socket
import struct
from pathlib import Path

from lb_controller.runtime.logging import logger
from speaker.announcer.layer2.router import router_advertisement, wait_after
from speaker.ipc.messages import RADV_SOCKET, AdvertiseRouter, AnyMessage
from speaker.ipc.stream import Server

_SIOCGIFHWADDR = 0x8927
_ALL_NODES = "ff02::1"
_log = logger(part="radv")


class RouterAdvertisements:
    """One task for each interface; created inside a running loop."""

    def __init__(self, folder: Path) -> None:
        self._server = Server(folder / RADV_SOCKET, self._on_message, on_error=self._on_error)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Listen for ever. Raises OSError when the socket cannot be made."""
        try:
            await self._server.serve()
        finally:
            for task in self._tasks.values():
                task.cancel()

    def _on_message(self, message: AnyMessage) -> None:
        if not isinstance(message, AdvertiseRouter):
            self._on_error(f"{type(message).__name__} is not for radv.sock")
            return
        for name in self._tasks.keys() - set(message.interfaces):
            self._tasks.pop(name).cancel()
        for name in message.interfaces:
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(_advertise(name))

    def _on_error(self, error: str) -> None:
        _log.error("bad_message", error=error)


async def _advertise(interface: str) -> None:
    """Advertise for ever; an interface that is away is tried again."""
    sent, failing = 0, ""
    while True:
        try:
            send(interface)
            sent, failing = sent + 1, ""
        except OSError as error:
            if str(error) != failing:
                failing = str(error)
                _log.warning("not_advertised", interface=interface, error=failing)
            sent = 0
        await asyncio.sleep(wait_after(sent))


def send(interface: str) -> None:
    """One advertisement, from the link-local address of the interface. Raises OSError."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        index = socket.if_nametoindex(interface)
        # RFC 4861, 4.2: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been
        # forwarded by a router."
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        answer = fcntl.ioctl(raw, _SIOCGIFHWADDR, struct.pack("256s", interface.encode()))
        raw.sendto(router_advertisement(answer[18:24]), (_ALL_NODES, 0, 0, index))

"""The interfaces of the node, live by netlink (rtnetlink(7)): which may carry announcements, and with which MAC
address.

An interface counts when it is Ethernet-like (6-byte address, broadcast, ARP), up with carrier, not a slave of a bridge
or bond, and not excluded by name. Every change comes as an event; nothing is polled. When the kernel had to throw
events away, because a storm of them met a slow process, everything is listed again.
"""

import errno
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import rtnl
from pyroute2.netlink.exceptions import NetlinkError

_IFF_UP, _IFF_BROADCAST, _IFF_LOOPBACK, _IFF_NOARP, _IFF_LOWER_UP = 0x1, 0x2, 0x8, 0x80, 0x10000


@dataclass(frozen=True, slots=True)
class Interface:
    """One usable interface; `mac` has 6 bytes."""

    index: int
    name: str
    mac: bytes


class Interfaces:
    """Follows the interfaces; `on_change` is called after each change of `usable`."""

    def __init__(self, excluded: Sequence[str], on_change: Callable[[], None]) -> None:
        self._excluded = [re.compile(pattern) for pattern in excluded]
        self._on_change = on_change
        self._links: dict[int, Interface] = {}

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            # A socket that lost events is not used again: what its library holds of them is worth nothing.
            async with AsyncIPRoute() as netlink:
                await netlink.bind(groups=rtnl.RTMGRP_LINK)
                await self._list(netlink)
                await self._follow(netlink)

    async def _list(self, netlink: AsyncIPRoute) -> None:
        self._links = {}
        async for message in await netlink.get_links():
            self._apply(message)
        self._on_change()

    async def _follow(self, netlink: AsyncIPRoute) -> None:
        """Apply events until some were lost."""
        while True:
            try:
                async for message in netlink.get():
                    before = dict(self._links)
                    self._apply(message)
                    if before != self._links:
                        self._on_change()
            except (NetlinkError, OSError) as error:
                if errno.ENOBUFS not in (getattr(error, "code", None), getattr(error, "errno", None)):
                    raise
                return

    @property
    def usable(self) -> dict[str, Interface]:
        """The usable interfaces by name."""
        return {link.name: link for link in self._links.values()}

    def _apply(self, message: Any) -> None:
        if message.get("event") not in ("RTM_NEWLINK", "RTM_DELLINK"):
            return
        if message["family"] != socket.AF_UNSPEC:
            return  # a bridge's word on its port: RTM_DELLINK there means that the port left the bridge
        index = int(message["index"])
        self._links.pop(index, None)
        link = self._usable(message)
        if link is not None and message["event"] == "RTM_NEWLINK":
            self._links[index] = link

    def _usable(self, message: Any) -> Interface | None:
        name, address = message.get_attr("IFLA_IFNAME"), message.get_attr("IFLA_ADDRESS")
        flags = int(message["flags"])
        needed = _IFF_UP | _IFF_LOWER_UP | _IFF_BROADCAST
        if flags & needed != needed or flags & (_IFF_LOOPBACK | _IFF_NOARP):
            return None
        if not name or not address or len(address) != 17 or message.get_attr("IFLA_MASTER"):
            return None
        if any(pattern.search(name) for pattern in self._excluded):
            return None
        return Interface(int(message["index"]), name, bytes.fromhex(address.replace(":", "")))

"""Router Advertisements that say nothing but "I am here" (RFC 4861, section 4.2), for unnumbered BGP peers.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     Type      |     Code      |          Checksum             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | Cur Hop Limit |M|O|  Reserved |       Router Lifetime         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                         Reachable Time                        |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                          Retrans Timer                        |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |   Options ...

A lifetime of 0 means "not a default router", and there is no prefix: hosts on the link take nothing from it. FRR's
`neighbor eth0 interface remote-as ...` accepts a session only from who advertised itself so.
"""

import struct

_ADVERTISEMENT = struct.Struct("!BBHBBHII")
_SOURCE_LINK_LAYER_ADDRESS = struct.Struct("!BB6s")
TYPE = 134
# RFC 4861, 6.2.4 and section 10: the first three at most 16 s apart, then at least 3 s between two of them.
FIRST, FIRST_EVERY, EVERY = 3, 3.0, 10.0


def router_advertisement(mac: bytes) -> bytes:
    """The ICMPv6 message; its checksum is the kernel's to fill in. `mac`: of the sending interface, 6 octets."""
    head = _ADVERTISEMENT.pack(TYPE, 0, 0, 0, 0, 0, 0, 0)
    return head + _SOURCE_LINK_LAYER_ADDRESS.pack(1, 1, mac)


def wait_after(sent: int) -> float:
    """Seconds until the next one, when so many were sent."""
    return FIRST_EVERY if sent < FIRST else EVERY

"""Routes -> lines of the daemon's command language, in bulk: up to 500 prefixes that share all attributes in one line.

The daemon answers every line with one line, `done` or `error`. Next hops are always explicit: `next-hop self` for an
IPv4 route on an IPv6 session becomes the router ID, which the peer cannot reach and drops.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lb_controller.model.address import Family
from speaker.bgp.sessions import Session
from speaker.ipc.messages import BANDWIDTH, Parting, Route

BATCH = 500
AS_TRANS = 23456  # RFC 6793: stands for an AS number that has no two-octet form
LARGE = "large:"
# RFC 8326, section 4: asks the peer to take any other route; towards iBGP the local preference says the same.
GRACEFUL_SHUTDOWN = "65535:0"
# Text that may stand in a command: nothing here can end a word or begin another command.
_PREFIX = re.compile(r"[0-9a-fA-F.:]{2,45}/\d{1,3}")
_EXTENDED = re.compile(r"(target|origin):\d{1,10}:\d{1,10}|bandwidth:\d{1,12}")
_COMMUNITY = re.compile(r"(large:\d{1,10}:)?\d{1,10}:\d{1,10}")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a route carries besides its prefix. `prepend`: how often our ASN is repeated in front."""

    next_hop: str
    local_pref: int | None = None
    med: int | None = None
    prepend: int = 0
    communities: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()

    def demoted(self) -> "Attributes":
        """The same as the last choice of every router that has another one."""
        if GRACEFUL_SHUTDOWN in self.communities and self.local_pref == 0:
            return self
        communities = tuple(sorted({*self.communities, GRACEFUL_SHUTDOWN}))
        return replace(self, local_pref=0, communities=communities)


@dataclass(slots=True)
class Wanted:
    """What one session should carry: prefix -> attributes; the prefixes among them that leave; why some are left out.

    `refused` holds a sentence for each prefix that cannot be written.
    """

    routes: dict[str, Attributes] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """One line for the daemon: announce (or withdraw) `prefixes` on one session."""

    session: Session
    announce: bool
    attributes: Attributes
    prefixes: tuple[str, ...]

    def __str__(self) -> str:
        verb = "announce" if self.announce else "withdraw"
        words = _words(self.attributes, self.session) if self.announce else f"next-hop {self.attributes.next_hop}"
        return f"{self.session.selector} {verb} attributes {words} nlri {' '.join(self.prefixes)}"

    def halves(self) -> tuple["Command", "Command"]:
        """The same in two lines: to find the prefix that the daemon does not take."""
        middle = len(self.prefixes) // 2
        first, second = self.prefixes[:middle], self.prefixes[middle:]
        return (
            Command(self.session, self.announce, self.attributes, first),
            Command(self.session, self.announce, self.attributes, second),
        )


def end_of_rib(session: Session) -> list[str]:
    """RFC 4724: tells the peer that every route was announced, so that it may drop the stale ones."""
    words = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}
    return [f"{session.selector} announce eor {words[family]} unicast" for family in session.families]


def _words(attributes: Attributes, session: Session) -> str:
    words = [f"next-hop {attributes.next_hop}"]
    if attributes.local_pref is not None and session.internal:
        words.append(f"local-preference {attributes.local_pref}")
    if attributes.med is not None:
        words.append(f"med {attributes.med}")
    if attributes.prepend and not session.internal:
        # An iBGP peer would take our own ASN in the path for a loop (RFC 4271, 9.1.2).
        path = " ".join([str(session.local_asn)] * (attributes.prepend + 1))
        words.append(f"as-path [ {path} ]")
    standard = [value for value in attributes.communities if not value.startswith(LARGE)]
    large = [value.removeprefix(LARGE) for value in attributes.communities if value.startswith(LARGE)]
    if standard:
        words.append(f"community [ {' '.join(standard)} ]")
    if large:
        words.append(f"large-community [ {' '.join(large)} ]")
    if attributes.extended:
        octets = [octets_of(value, session.local_asn).hex() for value in attributes.extended]
        words.append(f"extended-community [ {' '.join(f'0x{value}' for value in octets)} ]")
    return " ".join(words)


def octets_of(extended: str, asn: int) -> bytes:
    """An extended community on the wire. ExaBGP's own words cannot say one of a 4-octet AS.

    RFC 4360, section 3.1, for an AS number of two octets; RFC 5668 for one of four; the bandwidth as in
    draft-ietf-idr-link-bandwidth, octets per second as a float, under our own AS number, AS_TRANS where that is long.
    """
    kind, *numbers = extended.split(":")
    if kind == BANDWIDTH:
        return struct.pack("!HHf", 0x4004, asn if asn <= 0xFFFF else AS_TRANS, int(numbers[0]) * 1_000_000 / 8)
    first, second = map(int, numbers)
    subtype = {"target": 0x02, "origin": 0x03}[kind]
    return struct.pack(
        "!BBHI" if first <= 0xFFFF else "!BBIH", 0x00 if first <= 0xFFFF else 0x02, subtype, first, second
    )


def _communities_are_sound(route: Route) -> bool:
    return all(map(_COMMUNITY.fullmatch, route.communities)) and all(map(_EXTENDED.fullmatch, route.extended))


def wanted_routes(session: Session, routes: Iterable[Route]) -> Wanted:
    """What the session should carry. Routes of a family that the session does not carry are left out."""
    hops = {family: str(hop) for family, hop in session.next_hops.items()}
    v4, v6 = hops.get(Family.IPV4), hops.get(Family.IPV6)
    wanted = Wanted()
    known: dict[tuple[object, ...], Attributes] = {}  # most routes share theirs with many others
    for route in routes:
        if session.name not in route.peers:
            continue
        hop = v6 if ":" in route.prefix else v4
        if not _PREFIX.fullmatch(route.prefix):
            wanted.refused[route.prefix] = "the prefix is malformed"
        elif hop is not None:
            key = (hop, route.local_pref, route.med, route.prepend, route.communities, route.extended, route.parting)
            attributes = known.get(key)
            if attributes is None:
                if not _communities_are_sound(route):
                    wanted.refused[route.prefix] = "a community of it is malformed"
                    continue
                attributes = known[key] = _attributes(hop, route)
            wanted.routes[route.prefix] = attributes
            if route.parting is Parting.LEAVES:
                wanted.leaving.add(route.prefix)
    return wanted


def _attributes(hop: str, route: Route) -> Attributes:
    found = Attributes(hop, route.local_pref, route.med, route.prepend, route.communities, route.extended)
    return found if route.parting is Parting.STAYS else found.demoted()


def difference(
    session: Session, given: Mapping[str, Attributes], wanted: Mapping[str, Attributes]
) -> Iterator[Command]:
    """The commands that turn `given` into `wanted`: withdrawals first, then one group for each set of attributes."""
    gone: dict[str, list[str]] = {}
    for prefix, attributes in given.items():
        if prefix not in wanted:
            gone.setdefault(attributes.next_hop, []).append(prefix)
    for hop, prefixes in gone.items():
        yield from _batches(session, False, Attributes(hop), prefixes)
    groups: dict[Attributes, list[str]] = {}
    for prefix, attributes in wanted.items():
        if given.get(prefix) != attributes:
            groups.setdefault(attributes, []).append(prefix)
    for attributes, prefixes in groups.items():
        yield from _batches(session, True, attributes, prefixes)


def _batches(session: Session, announce: bool, attributes: Attributes, prefixes: list[str]) -> Iterator[Command]:
    # ExaBGP takes all prefixes of a line for the first one's family: 203.0.113.1/32 becomes cb00:7101::/32.
    families = [[prefix for prefix in prefixes if (":" in prefix) is six] for six in (False, True)]
    for same in families:
        for start in range(0, len(same), BATCH):
            yield Command(session, announce, attributes, tuple(same[start : start + BATCH]))

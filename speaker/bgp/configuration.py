"""Sessions -> the text of ExaBGP's configuration file (ExaBGP 5.0).

What each line is for, where leaving it out does harm:
- `adj-rib-out true`: without it, routes are not sent again after a session was lost.
- `adj-rib-in false`: a router's full table must not fill our memory; we never look at it.
- `manual-eor true` with graceful restart: without it the daemon sends End-of-RIB right after OPEN, and the peer drops
  the routes that it kept for us before we could announce them again (RFC 4724).
- the password as base64: the file has no way to quote every character.
- `nexthop`: IPv4 routes with an IPv6 next hop (RFC 8950) need the capability.
"""

import re
from collections.abc import Iterable, Sequence

from lb_controller.model.address import Family
from speaker.bgp.sessions import Session

# Seconds that a peer keeps our routes after the session broke (RFC 4724); FRR's default.
RESTART_TIME = 120
# RFC 4271 says nothing on the TTL of a multihop session; other implementations use the largest.
MULTI_HOP_TTL = 255
# RFC 5082, section 3: sent with 255, the largest; a packet with less was forwarded, so it is from no neighbour.
GTSM_TTL = 255
PROCESS = "bridge"
_FAMILY_WORD = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_UNQUOTABLE = re.compile(r"[\"'\\\n\r]")


def configuration(sessions: Iterable[Session], bridge: Sequence[str]) -> str:
    """The whole file. `bridge`: the command line of the process that the daemon spawns.

    Raises ValueError when a word of the command cannot be written into the file.
    """
    blocks = [_process(bridge), *(_neighbor(session) for session in sessions)]
    return "\n".join(blocks)


def _process(bridge: Sequence[str]) -> str:
    for word in bridge:
        if not word or _UNQUOTABLE.search(word):
            raise ValueError(f"{word!r} cannot be written into the daemon's configuration")
    command = " ".join(f"'{word}'" for word in bridge)
    # The bridge is never respawned: its end ends the daemon, and the supervisor starts both anew.
    return f"process {PROCESS} {{\n    run {command};\n    encoder json;\n    respawn false;\n}}\n"


def _neighbor(session: Session) -> str:
    lines = [
        f"description {'/'.join([_UNSAFE.sub('_', session.name), *_times(session)])};",
        f"router-id {session.router_id};",
        f"local-address {session.local_address};",
        f"local-as {session.local_asn};",
        f"peer-as {'auto' if session.peer_asn is None else session.peer_asn};",
        f"connect {session.port};",
        f"hold-time {session.hold_time};",
        "adj-rib-in false;",
        "adj-rib-out true;",
        "group-updates true;",
    ]
    if session.password:
        lines += [f"md5-password {session.password_text};", "md5-base64 true;"]
    if session.multi_hop:
        lines.append(f"outgoing-ttl {MULTI_HOP_TTL};")
    if session.gtsm:
        lines += [f"outgoing-ttl {GTSM_TTL};", f"incoming-ttl {GTSM_TTL};"]
    if session.interface:
        lines.append(f"source-interface {session.interface};")
    if session.graceful_restart:
        lines.append("manual-eor true;")
    lines += [_family(session), _capability(session), *_nexthop(session), _api()]
    body = "\n    ".join(lines)
    return f"neighbor {session.address} {{\n    {body}\n}}\n"


def _times(session: Session) -> list[str]:
    """ExaBGP has no words for these times: our cures read them out of the description."""
    times = {"keepalive": session.keepalive_time, "connect": session.connect_time}
    return [f"{name}={seconds}" for name, seconds in times.items() if seconds is not None]


def _family(session: Session) -> str:
    words = " ".join(f"{_FAMILY_WORD[family]} unicast;" for family in session.families)
    return f"family {{ {words} }}"


def _capability(session: Session) -> str:
    words = ["route-refresh enable;"]
    if session.graceful_restart:
        words.append(f"graceful-restart {RESTART_TIME};")
    if _extended_next_hop(session):
        words.append("nexthop enable;")
    return f"capability {{ {' '.join(words)} }}"


def _nexthop(session: Session) -> list[str]:
    return ["nexthop { ipv4 unicast ipv6; }"] if _extended_next_hop(session) else []


def _extended_next_hop(session: Session) -> bool:
    hop = session.next_hops.get(Family.IPV4)
    return hop is not None and hop.version == 6


def _api() -> str:
    return f"api {{ processes [ {PROCESS} ]; neighbor-changes; }}"

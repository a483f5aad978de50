"""What ExaBGP 5.0.15 does wrong for us, cured inside the daemon's process before it starts.

Every cure says what happens without it; each was seen on the wire or in a test, and each has a regression test. They
reach into ExaBGP's internals, so the version is pinned and `apply` refuses any other: look again before raising it.
"""

import contextlib
import errno
import json
import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

from exabgp.bgp.fsm import FSM
from exabgp.bgp.message import Notify, Update
from exabgp.bgp.neighbor import Neighbor
from exabgp.protocol.family import AFI, SAFI
from exabgp.reactor.api.command.command import Command
from exabgp.reactor.api.processes import ProcessError
from exabgp.reactor.asynchronous import ASYNC
from exabgp.reactor.daemon import Daemon
from exabgp.reactor.delay import Delay
from exabgp.reactor.keepalive import KA
from exabgp.reactor.loop import Reactor
from exabgp.reactor.network.error import NotConnected
from exabgp.reactor.network.outgoing import Outgoing
from exabgp.reactor.peer import Peer
from exabgp.rib.outgoing import OutgoingRIB
from exabgp.version import version

VERSION = "5.0.15"
# Routes that the daemon takes from one command line in one turn of its loop. Without: 50, then a sleep of 10 ms.
ROUTES_PER_TURN = 2000
# IPv6 routes in one group; the codec splits it into as many UPDATEs as the message size needs.
ROUTES_PER_UPDATE = 500
# Seconds between two attempts to reach a peer, doubled each time. Without: 1, 2, 3 and so on up to 60, so a router that
# is not quite ready costs seconds, and one that returns is left alone for a minute.
FIRST_DELAY = 0.25
LONGEST_DELAY = 10.0
# Seconds to wait for the TCP connection. Without: the kernel's SYN back-off, minutes for a router that was away.
CONNECT_TIME = 10.0
# Our own command, and what it counts.
COUNTS = "session-counts"
COUNTED = tuple(
    f"{way}-{kind}" for kind in ("open", "update", "keepalive", "notification") for way in ("send", "receive")
)
# RFC 4486; and what the peer's administrator reads in their log (RFC 9003: at most 255 octets, 128 for older peers).
CEASE, ADMINISTRATIVE_SHUTDOWN, BFD_DOWN = 6, 2, 10
FAREWELL = "HeraldLB stops on this node; its routes were demoted, then withdrawn"


def apply() -> None:
    """Put all cures in place. Raises RuntimeError for another version of ExaBGP."""
    if version != VERSION:
        raise RuntimeError(f"the cures are for ExaBGP {VERSION}, this is {version}")
    ASYNC.LIMIT = ROUTES_PER_TURN
    Neighbor.remove_self = _remove_self
    OutgoingRIB._update_rib = _update_rib
    OutgoingRIB.updates = _updates
    Outgoing.establish = _establish
    Peer._close = _close
    Delay.increase = _increase
    Daemon.drop_privileges = _drop_privileges
    Reactor.reload = _reload
    Reactor._pending_adjribout = _pending_adjribout
    Peer.teardown = _teardown
    Command.register(COUNTS, False)(_counts)
    Peer.__init__ = _peer_init
    KA.__init__ = _ka_init
    # Without: the text of a planned stop (RFC 9003) only repeats its subcode.
    # RFC 9384 is younger than ExaBGP's table of subcodes.
    texts = {(CEASE, ADMINISTRATIVE_SHUTDOWN): FAREWELL, (CEASE, BFD_DOWN): "BFD Down"}
    Notify._str_subcode = {**Notify._str_subcode, **texts}


_plain_remove_self = Neighbor.remove_self
_plain_update_rib = OutgoingRIB._update_rib
_plain_updates = OutgoingRIB.updates
_plain_close = Peer._close
_plain_reload = Reactor.reload
_plain_teardown = Peer.teardown
_plain_peer_init = Peer.__init__
_plain_ka_init = KA.__init__


def _remove_self(self: Any, change: Any) -> Any:
    """Without: a deep copy of every route, nine tenths of the time that a route takes (10,000: 2.6 s, not 0.3 s)."""
    return _plain_remove_self(self, change) if change.nlri.nexthop.SELF else change


def _update_rib(self: Any, change: Any) -> Any:
    """Without: attributes A, then B, then A again before anything was sent leaves the peer with B.

    Unsent routes lie in buckets, one for each set of attributes, sent in the order in which the buckets were made; an
    older version of the same route must not stay behind in another bucket.
    """
    index = change.index()
    older = self._new_nlri.get(index)
    if older is not None:
        buckets = self._new_attr_af_nlri.get(older.attributes.index(), {})
        buckets.get(change.nlri.family().afi_safi(), {}).pop(index, None)
    return _plain_update_rib(self, change)


def _updates(self: Any, grouped: bool) -> Iterator[Any]:
    """Without: one UPDATE for every IPv6 route. Routes that share attributes and action go together, as IPv4's do."""
    group: Any = None
    for update in _plain_updates(self, grouped):
        if group is not None and not (grouped and _alike(group, update)):
            yield group
            group = None
        if group is not None:
            group.nlris.extend(update.nlris)
        elif isinstance(update, Update) and update.nlris and _is_ipv6(update.nlris[0]):
            group = Update(list(update.nlris), update.attributes)
        else:
            yield update
    if group is not None:
        yield group


def _alike(group: Any, update: Any) -> bool:
    return (
        isinstance(update, Update)
        and bool(update.nlris)
        and _is_ipv6(update.nlris[0])
        and update.nlris[0].action == group.nlris[0].action
        and update.attributes.index() == group.attributes.index()
        and len(group.nlris) < ROUTES_PER_UPDATE
    )


def _is_ipv6(nlri: Any) -> bool:
    return bool(nlri.family().afi_safi() == (AFI.ipv6, SAFI.unicast))


def _establish(self: Any) -> Iterator[bool]:
    """One attempt to connect. Without: a refused connection counts as made, and no reason is ever reported."""
    issue = self._connect()
    if issue is not None:
        raise NotConnected(str(issue))
    deadline = time.monotonic() + CONNECT_TIME
    poller = select.poll()
    poller.register(self.io, select.POLLOUT | select.POLLERR | select.POLLHUP)
    while not poller.poll(0):
        if time.monotonic() > deadline:
            self.io.close()
            self.io = None
            raise NotConnected("no answer to the TCP connection; check address, firewall and password")
        yield False
    code = self.io.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        self.io.close()
        self.io = None
        raise NotConnected(f"TCP connection: {os.strerror(code)} ({errno.errorcode.get(code, code)})")
    self.success()
    if not self.local:
        self.local = self.io.getsockname()[0]
    yield True


def _close(self: Any, message: str = "", error: Any = "") -> None:
    """Without: the event `down` lacks the reason, and an attempt that fails before the session is open has no event."""
    said = "" if message == "closing connection" else message
    text = ": ".join(str(part) for part in (said, error) if part) or message
    if self.fsm in (FSM.IDLE, FSM.ACTIVE) and error and self.neighbor.api["neighbor-changes"]:
        with contextlib.suppress(ProcessError):  # the bridge is gone, and the daemon is about to be killed
            self.reactor.processes.down(self.neighbor, text)
    self.totals = _totals(self)
    _plain_close(self, text, error)


def _counts(_api: Any, reactor: Any, service: Any, _line: str, _use_json: bool) -> bool:
    """A command of our own: the messages of each kind to and from each peer. Without: nobody can tell."""
    peers = {str(peer.neighbor["peer-address"]): _totals(peer) for peer in reactor._peers.values()}
    reactor.processes.write(service, json.dumps({"type": COUNTS, "peers": peers}))
    reactor.processes.answer_done(service)
    return True


def _totals(peer: Any) -> dict[str, int]:
    """Of this session and of those before it, which ExaBGP forgets."""
    before = getattr(peer, "totals", {})
    return {name: before.get(name, 0) + peer.stats[name] for name in COUNTED}


def _increase(self: Any) -> None:
    """See FIRST_DELAY; the first attempt after a session that was up comes at once."""
    fixed = getattr(self, "connect_time", None)
    self._time = time.time() + (self._next if fixed is None else fixed)
    self._next = min(max(FIRST_DELAY, self._next * 2), LONGEST_DELAY)


def _peer_init(self: Any, neighbor: Any, reactor: Any) -> None:
    """Without: a BGPPeer's connectTime has no effect."""
    _plain_peer_init(self, neighbor, reactor)
    self._delay.connect_time = time_of(neighbor, "connect")


def _ka_init(self: Any, session: Any, proto: Any) -> None:
    """Without: a BGPPeer's keepaliveTime has no effect. RFC 4271, 4.4: a hold time of zero means no KEEPALIVEs."""
    _plain_ka_init(self, session, proto)
    wanted = time_of(proto.neighbor, "keepalive")
    if wanted and self.send_timer.keepalive:
        self.send_timer.keepalive = min(wanted, self.send_timer.keepalive)


def time_of(neighbor: Any, name: str) -> int | None:
    """A time that our configuration wrote into the description: `tor/keepalive=3/connect=30`."""
    found = dict(part.split("=", 1) for part in str(neighbor["description"]).split("/")[1:] if "=" in part)
    return int(found[name]) if found.get(name, "").isdigit() else None


def _drop_privileges(_self: Any) -> bool:
    """Without: the daemon refuses to run with group 0. Privileges are dropped by who starts the container."""
    return True


def _pending_adjribout(_self: Any) -> bool:
    """Without: a reload is lost, silently, while any peer has unsent routes: as long as one router is away."""
    return False


def _teardown(self: Any, code: int, restart: bool = True) -> None:
    """Without: with graceful restart an administrative shutdown closes in silence, and the peer waits for us."""
    if code == ADMINISTRATIVE_SHUTDOWN:
        self.neighbor["capability"]["graceful-restart"] = False
    _plain_teardown(self, code, restart)


def _reload(self: Any) -> bool:
    """Read the file and say how it went. Without: nobody knows when a reload is done, and after one bad file every
    later one is refused ("a process section called ... already exists"), because the parser keeps what it had read.
    """
    self.configuration._cleanup()
    accepted = bool(_plain_reload(self))
    line = json.dumps({"type": "reload", "accepted": accepted})
    if self.processes is not None:
        for name in list(self.processes._process):
            self.processes.write(name, line)
    return accepted

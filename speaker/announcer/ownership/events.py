"""What the ownership machine is told, and what it wants done. Peers are node names; times are arguments of `step`."""

from dataclasses import dataclass
from enum import StrEnum, unique

from lb_controller.model.address import Address
from speaker.announcer.ownership.messages import Message

# --- the speaker's word


@dataclass(frozen=True, slots=True)
class Members:
    """Every node that runs an announcer on this link."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Announce:
    """Who may own the address, best first, and on which interfaces (None: all).

    `fresh`: never announced before, so the link is asked for a host that has it already. `rebalance`: a value
    that was not among these before moves the address to its first rank, once.
    """

    address: Address
    candidates: tuple[str, ...]
    interfaces: frozenset[str] | None = None
    fresh: bool = False
    rebalance: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The address is not to be announced any more."""

    address: Address


@unique
class Unwilling(StrEnum):
    """Why a node gives its addresses away and takes none."""

    DRAIN = "drain"
    EXCLUDED = "excluded"
    CANNOT_FORWARD = "cannot_forward"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Decline:
    """The reasons for which this node should own nothing now; none: it may."""

    reasons: frozenset[Unwilling]


@dataclass(frozen=True, slots=True)
class Leave:
    """The process is asked to end: give everything away first. `Left` says when."""


# --- the wire's word


@dataclass(frozen=True, slots=True)
class Carrier:
    """The interfaces that are up and have carrier now; `meets`: the one where the members meet is among them."""

    interfaces: frozenset[str]
    meets: bool


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram came, and its MAC was right."""

    message: Message


@dataclass(frozen=True, slots=True)
class Heard:
    """A BFD packet of a peer came. `two_way`: in state Init or Up, so the peer hears this node too."""

    peer: str
    two_way: bool


@dataclass(frozen=True, slots=True)
class Expired:
    """BFD heard nothing of a peer for its detection time."""

    peer: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A member asked the wire for the address, by an ARP request or a neighbour solicitation of its own."""

    address: Address
    member: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Somebody answers for the address: a member, or (None) a foreign host with this hardware address."""

    address: Address
    member: str | None
    mac: bytes = b""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A gratuitous ARP or unsolicited neighbour advertisement for the address came, by a member or a foreign host."""

    address: Address
    member: str | None
    mac: bytes = b""


Event = (
    Members | Announce | Withdraw | Decline | Leave | Carrier | Received | Heard | Expired | Asked | Answered | Claimed
)

# --- effects


@unique
class Cause(StrEnum):
    """Why this node took an address; a metric label."""

    FIRST = "first"  # nobody was known to have it
    DEATH = "death"
    LEFT = "left"
    RELEASED = "released"  # its owner stopped claiming it, and nobody else does
    RESTART = "restart"  # its owner restarted and did not resume
    RESUMED = "resumed"  # this node had it before its own restart
    MOVE = "move"  # its owner gave it away


@dataclass(frozen=True, slots=True)
class Own:
    """Answer for the address from now on, on these interfaces, and tell the link by gratuitous frames."""

    address: Address
    interfaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class Release:
    """Stop answering for the address at once."""

    address: Address


@dataclass(frozen=True, slots=True)
class Gratuitous:
    """Send the gratuitous frames of an owned address again."""

    address: Address


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram to one peer, or (None) to everybody on the link."""

    message: Message
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the wire who answers for the address; `first`: it was never announced, ask as RFC 5227 and RFC 4862 say."""

    address: Address
    first: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """Hold BFD sessions with exactly these peers."""

    peers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Replaced:
    """The peer's process was replaced by another one, which has proven to be there now."""

    peer: str


@dataclass(frozen=True, slots=True)
class Forgive:
    """This process was late: all BFD detection times start again."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A foreign host has the new address, so nobody announces it."""

    address: Address
    mac: bytes


@dataclass(frozen=True, slots=True)
class Cleared:
    """The foreign host does not answer any more."""

    address: Address


@dataclass(frozen=True, slots=True)
class Conflict:
    """A foreign host claims or answers for an address that this node owns or takes over."""

    address: Address
    mac: bytes


@dataclass(frozen=True, slots=True)
class NoHeir:
    """The address should go to another node, and none takes it: it is answered here as before."""

    address: Address


@dataclass(frozen=True, slots=True)
class Detected:
    """A peer was found dead, so many seconds after the last sign of its life."""

    peer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """Everything is said: the process may end."""


Effect = (
    Own
    | Release
    | Gratuitous
    | Send
    | Probe
    | Watch
    | Replaced
    | Forgive
    | Quarantined
    | Cleared
    | Conflict
    | NoHeir
    | Detected
    | Left
)

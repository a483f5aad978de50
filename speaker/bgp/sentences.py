"""What the daemon says of a failed session -> a sentence for who runs the network; unknown words stay as they are.

The daemon's words: `notification sent (2,2): OPEN message error / Bad Peer AS / ASN in OPEN (64500) did not match ASN
expected (65010)` for what we refused, `notification received (...)` for what the peer refused, `TCP connection: ...`.
"""

import re
from collections.abc import Callable

from speaker.bgp.sessions import Session

_ASN = re.compile(r"ASN in OPEN \((\d+)\) did not match ASN expected \((\d+)\)")
_SENT = re.compile(r"notification sent \(\d+,\d+\): (.+)")
_BEFORE = re.compile(r"(.+) \(before: (.+)\)")
_OF_THE_WAY = ("TCP connection", "no answer")
_RECEIVED = re.compile(r"notification received \(\d+,\d+\): (.+)")


def sentence(reason: str, session: Session) -> str:
    """One sentence; empty for no reason. It names the peer's address, as the object does not stand beside it."""
    if not reason:
        return ""
    who = f"peer {session.address}"
    if asn := _ASN.search(reason):
        said, meant = asn.groups()
        return f"peer {session.address} refused: OPEN error bad peer AS; it says {said}, you say {meant}"
    if before := _BEFORE.fullmatch(reason):
        return f"{sentence(before[1], session)} (before: {sentence(before[2], session)})"
    for pattern, worded in _FORMS:
        if found := pattern.fullmatch(reason):
            return worded(who, found[1].replace(" / ", ", "), session)
    return f"{who}: {reason}" if reason.startswith(_OF_THE_WAY) else reason


def _refused(who: str, words: str, _: Session) -> str:
    if "BFD Down" in words:
        return f"BFD lost {who}: this node closed the session"
    if words.startswith("Cease"):
        return f"this node closed the session with {who}"
    return f"{who} refused: {words}"


def _refuses(who: str, words: str, session: Session) -> str:
    if "Bad Peer AS" in words:
        return (
            f"{who} refuses us: OPEN error bad peer AS; it expects another AS than {session.local_asn}, which you say"
        )
    if "Bad BGP Identifier" in words:
        return (
            f"{who} refuses us: OPEN error bad BGP identifier {session.router_id}; it must differ from the peer's own"
        )
    return f"{who} closed the session: {words}"


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str, str, Session], str]], ...] = (
    (_SENT, _refused),
    (_RECEIVED, _refuses),
)

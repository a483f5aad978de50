"""The lines that the daemon writes -> typed events. What is not understood is an event too, and counted by its caller.

A line is `done` or `error` (the answer to one command) or a JSON object. Objects of the daemon's own making hold
`neighbor` and `state`; the one of type `reload` comes from our cures and says how a reload went. The daemon writes
Python's None where it has no value, which is not JSON.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any

LONGEST_REASON = 300
_NONE = re.compile(r": None\b")


@unique
class SessionEvent(StrEnum):
    """What happened to a session: TCP connected, BGP established, or gone."""

    CONNECTED = "connected"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the oldest unanswered command."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """The session with the peer of this address changed; `reason` says why it went down."""

    address: str
    event: SessionEvent
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The daemon read its configuration file anew."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line that means nothing to us; `kind` is its type, or why it has none."""

    kind: str


@dataclass(frozen=True, slots=True)
class Counted:
    """How many messages of each kind went to and came from each peer: address -> `send-update` and so on -> number."""

    peers: Mapping[str, Mapping[str, int]]


Event = Answer | SessionChanged | Reloaded | Counted | Unknown


def event_of(line: str) -> Event:
    """Read one line without its end."""
    line = line.strip()
    if line in ("done", "error"):
        return Answer(line == "done")
    if not line.startswith("{"):
        return Unknown("text")
    try:
        document = json.loads(_NONE.sub(": null", line))
    except (ValueError, RecursionError):
        return Unknown("malformed")
    if not isinstance(document, dict):
        return Unknown("malformed")
    match document.get("type"):
        case "state":
            return _session_changed(document)
        case "reload":
            return Reloaded(document.get("accepted") is True)
        case "session-counts":
            return _counted(document)
        case kind:
            return Unknown(str(kind)[:32])


def _counted(document: dict[str, Any]) -> Event:
    try:
        return Counted(
            {str(peer): {str(k): int(v) for k, v in found.items()} for peer, found in document["peers"].items()}
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return Unknown("session-counts")


def _session_changed(document: dict[str, Any]) -> Event:
    try:
        neighbor = document["neighbor"]
        address = neighbor["address"]["peer"]
        event = SessionEvent(neighbor["state"])
    except (KeyError, TypeError, ValueError):
        return Unknown("state")
    reason = str(neighbor.get("reason", ""))
    printable = "".join(letter if letter.isprintable() else " " for letter in reason)
    return SessionChanged(str(address), event, " ".join(printable.split())[:LONGEST_REASON])

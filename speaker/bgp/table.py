"""One session's routes: what is wanted, what the daemon was told, what it refused, and the commands in between."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from speaker.bgp.commands import Attributes, Command, difference, end_of_rib
from speaker.bgp.sentences import sentence
from speaker.bgp.sessions import Session
from speaker.ipc.messages import Phase, SessionState

# RFC 4486: subcodes of Cease.
ADMINISTRATIVE_SHUTDOWN = 2
OTHER_CONFIGURATION_CHANGE = 6
BFD_DOWN = 10  # RFC 9384


@dataclass(slots=True)
class Sent:
    """A command on its way, and what the daemon held before for each of its prefixes: a refusal brings that back."""

    command: Command
    before: dict[str, Attributes | None]


@dataclass(slots=True)
class Table:
    """The routes of one session, and its state; `given` counts a command as done when it is sent."""

    session: Session
    wanted: Mapping[str, Attributes] = field(default_factory=dict)
    given: dict[str, Attributes] = field(default_factory=dict)
    refused: dict[str, Attributes] = field(default_factory=dict)
    queue: deque[Command] = field(default_factory=deque)
    up: bool = False
    connected: bool = False
    end_of_rib_due: bool = False
    close_due: int | None = None  # with this subcode of Cease
    last_error: str = ""
    notified: str = ""  # the last NOTIFICATION since the session was up

    def came_up(self) -> None:
        # The last error stays: a session that flaps is up again before anybody has read why it was down.
        self.up, self.connected, self.notified = True, True, ""
        self.end_of_rib_due = self.session.graceful_restart

    def went_down(self, reason: str) -> None:
        """Keep what a NOTIFICATION said when later attempts fail with less to say."""
        self.up = self.connected = False
        if "notification" in reason:
            self.last_error = self.notified = reason
        elif reason:
            self.last_error = f"{reason} (before: {self.notified})" if self.notified else reason

    @property
    def state(self) -> SessionState:
        phase = Phase.ESTABLISHED if self.up else Phase.OPENING if self.connected else Phase.CONNECTING
        return SessionState(
            peer=self.session.name,
            up=self.up,
            phase=phase,
            last_error=sentence(self.last_error, self.session),
            routes=len(self.given),
            address=str(self.session.address),
        )

    def plan(self) -> None:
        """Queue what is missing; a prefix that the daemon refused is not tried again with the same attributes."""
        wanted = self.wanted
        if self.refused:
            wanted = {prefix: value for prefix, value in wanted.items() if self.refused.get(prefix) != value}
            self.refused = {prefix: value for prefix, value in self.refused.items() if self.wanted.get(prefix) == value}
        self.queue = deque(difference(self.session, self.given, wanted))

    def next_lines(self) -> list[tuple[str, Sent | None]]:
        """The next lines to send, with the command that each is; End-of-RIB once nothing is left to announce."""
        if self.close_due is not None:
            subcode, self.close_due = self.close_due, None
            return [(f"{self.session.selector} teardown {subcode}", None)]
        if self.queue:
            command = self.queue.popleft()
            sent = Sent(command, {prefix: self.given.get(prefix) for prefix in command.prefixes})
            for prefix in command.prefixes:
                if command.announce:
                    self.given[prefix] = command.attributes
                else:
                    self.given.pop(prefix, None)
            return [(str(command), sent)]
        if self.end_of_rib_due and self.up:
            self.end_of_rib_due = False
            return [(line, None) for line in end_of_rib(self.session)]
        return []

    def take_back(self, sent: Sent, later: Iterable[Sent]) -> None:
        """The daemon refused the command; `later`: those that it has not answered yet."""
        command = sent.command
        for prefix, before in sent.before.items():
            following = next((other for other in later if prefix in other.before), None)
            if following is not None:
                following.before[prefix] = before
            elif before is None:
                self.given.pop(prefix, None)
            else:
                self.given[prefix] = before
        if not command.announce:
            return
        still = tuple(prefix for prefix in command.prefixes if self.wanted.get(prefix) == command.attributes)
        again = Command(command.session, True, command.attributes, still)
        if len(still) > 1:
            self.queue.extendleft(reversed(again.halves()))
        elif still and len(command.prefixes) > 1:
            self.queue.appendleft(again)
        elif still:
            self.refused[still[0]] = command.attributes
            self.last_error = f"ExaBGP does not take the route {still[0]}"

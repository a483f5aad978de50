"""Whether this node can carry traffic on to the pods, by what kube-proxy says of itself. Time is an argument.

kube-proxy answers 200 on its health port while the rules that it wrote are fresh (kube-proxy reference, `healthz`). A
node whose kube-proxy is not ready must not draw traffic; neither must a question of one second move all addresses away:

    UNDECIDED --200--> ABLE --503 for UNHEALTHY_SECONDS, silence for SILENT_SECONDS--> UNABLE --200--> ABLE
        |
        +-- `wait` seconds over: UNABLE if it said 503, ABLE if nobody answers: there is no kube-proxy on this node

While it is undecided nothing new is decided about announcements: what was announced before a restart stays.
Silence is forgiven for longer than a bad answer: the rules of a kube-proxy that is being restarted stay in the kernel.
"""

from enum import Enum, auto, unique

UNHEALTHY_SECONDS = 3.0
SILENT_SECONDS = 15.0


@unique
class Answer(Enum):
    """What came back: 200, another status, nothing."""

    HEALTHY = auto()
    UNHEALTHY = auto()
    SILENT = auto()


class Forwarding:
    """The verdict on one node. `wait`: seconds that the first healthy answer may take."""

    def __init__(self, wait: float, now: float) -> None:
        self._begin_until = now + wait
        self._last = Answer.SILENT
        self._healthy_at: float | None = None

    def note(self, answer: Answer, now: float) -> None:
        """kube-proxy was asked."""
        self._last = answer
        if answer is Answer.HEALTHY:
            self._healthy_at = now

    def undecided(self, now: float) -> bool:
        """Whether the first healthy answer is still waited for."""
        return self._healthy_at is None and now < self._begin_until

    def obstacle(self, now: float) -> str | None:
        """Why the node should not draw traffic, as the end of a sentence that begins with its name; None if it can."""
        if self._last is Answer.HEALTHY:
            return None
        silent = self._last is Answer.SILENT
        if self._healthy_at is None:
            return None if silent or self.undecided(now) else "has a kube-proxy that is not healthy"
        if now - self._healthy_at < (SILENT_SECONDS if silent else UNHEALTHY_SECONDS):
            return None
        return "has a kube-proxy that does not answer" if silent else "has a kube-proxy that is not healthy"

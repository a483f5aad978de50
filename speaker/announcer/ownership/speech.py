"""The end of a step: what it wants to say becomes datagrams with a header, and the effects come in their order.

An address is let go before the others are told, and claimed before the link is told by gratuitous frames.
"""

from speaker.announcer.agenda import NEVER
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Effect, Send
from speaker.announcer.ownership.lifecycle import Lifecycle
from speaker.announcer.ownership.messages import Body, Flag, Header, Hello, Message
from speaker.announcer.ownership.outbox import Outbox
from speaker.announcer.ownership.peers import Peer, State


class Speech:
    """Speaks for one node."""

    def __init__(self, core: Core, lifecycle: Lifecycle) -> None:
        self.core, self.lifecycle = core, lifecycle

    def take(self) -> list[Effect]:
        """The effects of the step: what stops first, then the datagrams, then what begins."""
        core, out = self.core, self.core.out
        if core.phase is Phase.CARRIERLESS:
            core.out = Outbox()
            core.hello_at = NEVER
            sends: list[Effect] = []
        elif out.empty and core.now < core.hello_at:
            sends = []
        else:
            sends = [self._send(to, body) for to, body in out.bodies(core.book.of(core.me))]
            sends += self._hellos()
            core.out = Outbox()
        effects = core.stops + sends + core.acts
        if effects:
            core.stops, core.acts = [], []
        return effects

    def _hellos(self) -> list[Effect]:
        core, out = self.core, self.core.out
        hello = Hello(*core.book.summary(core.me))
        sends: list[Effect] = []
        if out.hello or core.now >= core.hello_at:
            sends.append(self._send(None, hello))
            core.hello_at = core.now + (core.timers.hello_searching if self._searching() else core.timers.hello)
        for name, echo in out.challenges.items():
            if name in core.roster.peers:
                sends.append(self._send(name, hello, want=True, echo=echo))
        for name, want in out.hello_to.items():
            if name in core.roster.peers:
                sends.append(self._send(name, hello, want=want))
        return sends

    def _searching(self) -> bool:
        roster = self.core.roster
        near = roster.near | roster.watch
        return any(roster.peers[name].state is not State.ALIVE or not roster.peers[name].session_up for name in near)

    def _send(self, to: str | None, body: Body, *, want: bool = False, echo: tuple[int, int] | None = None) -> Send:
        core = self.core
        core.seq += 1
        peer: Peer | None = core.roster.peers.get(to) if to is not None else None
        if peer is not None:
            want = want or (self.lifecycle.asking and not self.lifecycle.answered(peer))
            echo = echo or (peer.boot, peer.seq)
        else:
            want = self.lifecycle.asking
        flags = core.flags | want * Flag.WANT
        header = Header(core.id, core.boot, core.seq, core.lamport, flags, *(echo or (0, 0)))
        return Send(Message(header, body), to)

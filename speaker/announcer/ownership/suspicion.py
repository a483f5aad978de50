"""Who lives: evidence, suspicion, verdict. Death is found for a node once, never for each of its addresses.

BFD silence raises a suspicion; whoever suspects asks the whole link; whoever hears the suspect says so within the
window; silence is the verdict. Hearsay is never passed on: a node vouches on its own fresh evidence only.
"""

from dataclasses import dataclass
from itertools import islice

from speaker.announcer.agenda import Agenda
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Cause, Detected, Probe, Watch
from speaker.announcer.ownership.messages import Key, Suspect
from speaker.announcer.ownership.peers import Peer, State
from speaker.announcer.ownership.timers import ASKS

PROBES_FOR_A_SUSPECT = 3  # of its addresses: an answer proves the announcer alive even where UDP is filtered
LOOKED_THROUGH = 50  # of its addresses, to find those


@dataclass(slots=True)
class Window:
    """The time in which a suspect may still be heard. `loud`: this node noticed itself and asks everybody."""

    opened: float
    loud: bool
    asked: int = 0
    begun_again: int = 0
    hushed: bool = False  # for a while nobody at all was heard


class Suspicions:
    """Evidence in, verdicts out."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._windows: dict[str, Window] = {}
        self._steps: Agenda[str] = Agenda()
        self._checks: Agenda[str] = Agenda()

    @property
    def deadline(self) -> float:
        return min(self._steps.deadline, self._checks.deadline)

    # --- evidence

    def evidence(self, peer: Peer, *, two_way: bool) -> None:
        """The peer itself was heard just now; `two_way`: and it hears this node."""
        if peer.left:
            return  # a last packet, overtaken by its good-bye
        now = self.core.now
        if two_way or peer.both_ways >= peer.one_way_since or now - peer.heard > self.core.timers.detection:
            peer.one_way_since = now
        peer.heard = now
        if two_way:
            peer.both_ways = now
        if not peer.stated and peer.state is not State.UNKNOWN:
            self.core.ask(peer)
        if peer.state is State.SUSPECT or peer.state is State.DOWN:
            self._alive(peer)
            self._begin_others_again(peer)

    def vouched(self, peer: Peer) -> None:
        """Another node hears the peer. That ends a suspicion, but proves nothing that could be passed on."""
        if peer.state is State.SUSPECT or (peer.state is State.DOWN and not peer.left):
            self._alive(peer)

    def met(self, peer: Peer) -> None:
        """The first proven message of a peer that was never heard before."""
        peer.state = State.ALIVE
        peer.forget(self.core.now)
        self.core.recount = True
        self.core.out.greet(peer.name, want=True)
        self._check_later(peer)

    def _alive(self, peer: Peer) -> None:
        core = self.core
        was_down = peer.state is State.DOWN
        self._close(peer)
        peer.state, peer.cleared = State.ALIVE, core.now
        core.recount = True
        if was_down:
            peer.forget(core.now)
            core.out.hello = True
            core.out.greet(peer.name, want=True)
            peer.wanted = core.now
            core.returned.add(peer.name)
            self.rewatch()
        self._check_later(peer)

    def heard_somebody(self, before: float) -> None:
        """Anybody was heard, before that at `before`: in a silence of all, answers about a suspect are lost too."""
        for window in self._windows.values():
            window.hushed |= self.core.now - max(before, window.opened) > self.core.timers.hush

    def _begin_others_again(self, heard: Peer) -> None:
        """Perhaps this node was cut off and comes back one peer at a time: the others get their whole window."""
        for name, window in self._windows.items():
            if name != heard.name and window.begun_again < 2:
                window.opened, window.asked, window.hushed = self.core.now, 0, False
                window.begun_again += 1
                self._steps.plan(name, self.core.now)

    # --- suspicion

    def expired(self, peer: Peer) -> None:
        """BFD heard nothing of it for its detection time."""
        peer.session_up = False
        self.core.search()
        if not self._was_late:
            self.suspect(peer, loud=True)
        self._check_later(peer)

    @property
    def _was_late(self) -> bool:
        """This node was late just now: its own clock is the suspect, not its peers."""
        return self.core.now < self._trusted_at

    @property
    def _trusted_at(self) -> float:
        """Compared as it is planned: a difference is rounded in another way, and the check would be due for ever."""
        return self.core.late_at + self.core.timers.detection

    def session_down(self, peer: Peer) -> None:
        """The peer's BFD says that it does not hear this node. It was heard, so that is no suspicion."""
        peer.session_up = False
        self.core.search()
        self._check_later(peer)

    def suspect(self, peer: Peer, *, loud: bool) -> None:
        """Open a window, or make the one that is open loud."""
        core = self.core
        if core.phase not in (Phase.RUNNING, Phase.STARTING) or not peer.living:
            return
        window = self._windows.get(peer.name)
        if window is None:
            peer.state = State.SUSPECT
            self._windows[peer.name] = Window(core.now, loud)
            self._steps.plan(peer.name, core.now)
        elif loud:
            window.loud = True

    def cancel(self) -> None:
        """This node was late: nothing that it noticed counts."""
        for name in list(self._windows):
            peer = self.core.roster.peers[name]
            self._close(peer)
            peer.state, peer.cleared = State.ALIVE, self.core.now
        self._checks.clear()

    def drop(self, peer: Peer) -> None:
        """The peer is no member any more."""
        self._close(peer)
        self._checks.cancel(peer.name)

    def _close(self, peer: Peer) -> None:
        self._windows.pop(peer.name, None)
        self._steps.cancel(peer.name)

    # --- time

    def run(self) -> None:
        """Ask, judge, and look for peers that were silent without BFD noticing."""
        for name in self._steps.due(self.core.now):
            self._step(self.core.roster.peers[name], self._windows[name])
        for name in self._checks.due(self.core.now):
            self._check(self.core.roster.peers[name])

    def _step(self, peer: Peer, window: Window) -> None:
        core = self.core
        if core.now >= window.opened + core.timers.window:
            core.acts.append(Detected(peer.name, core.now - max(peer.heard, core.started)))
            if window.hushed:
                core.hushed_at = core.now
            self.condemn(peer, Cause.DEATH)
            return
        core.out.words.append((None if window.loud else peer.name, Suspect(peer.id, peer.boot)))
        if window.asked != 1:
            self._probe_some(peer)
        window.asked += 1
        last = window.asked == len(ASKS)
        self._steps.plan(peer.name, window.opened + (core.timers.window if last else ASKS[window.asked]))

    def _probe_some(self, peer: Peer) -> None:
        core = self.core
        asked = 0
        for key in islice(core.book.of(peer.name), LOOKED_THROUGH):
            entry = core.entries.get(key)
            if entry is not None and core.candidate(entry) and not core.declines:
                core.acts.append(Probe(entry.address))
                asked += 1
                if asked == PROBES_FOR_A_SUSPECT:
                    return

    def condemn(self, peer: Peer, cause: Cause) -> list[Key]:
        """The verdict: the peer is DOWN and owns nothing. Returns what it claimed."""
        core = self.core
        self._close(peer)
        self._checks.cancel(peer.name)
        peer.state = State.DOWN
        peer.resuming.clear()
        keys = core.book.forget(peer.name, cause, core.now)
        core.touched.update(keys)
        core.recount = True
        core.out.hello = True
        core.search()
        self.rewatch()
        return keys

    def members_changed(self) -> None:
        """The ring is another one."""
        self._watch_instead_of(self.core.roster.former_watch)

    def rewatch(self) -> None:
        """Whether a peer is DOWN changed: tell BFD whom to watch now."""
        before = self.core.roster.watch
        if self.core.roster.rewatch():
            self._watch_instead_of(before)

    def _watch_instead_of(self, before: frozenset[str]) -> None:
        core = self.core
        for name in before - core.roster.watch:
            if name in core.roster.peers:
                core.roster.peers[name].session_up = False
        for name in core.roster.watch - before:
            core.roster.peers[name].cleared = core.now  # it has time to be heard
        core.acts.append(Watch(core.roster.watch))
        self.check_all_later()

    def check_all_later(self) -> None:
        """Whom this node watches changed, or it begins to run."""
        for peer in self.core.roster.peers.values():
            self._check_later(peer)

    def _check_later(self, peer: Peer) -> None:
        at = self._silent_at(peer)
        if at is not None and peer.state is State.ALIVE:
            self._checks.plan(peer.name, max(at, self.core.now))

    def _silent_at(self, peer: Peer) -> float | None:
        """When silence becomes a suspicion that BFD does not raise; None: BFD will."""
        core = self.core
        if peer.name not in core.roster.watch:
            return max(peer.spoke, peer.cleared, core.started) + core.timers.unheard
        if peer.session_up:
            return None
        return max(peer.heard, peer.cleared, core.started) + core.timers.detection

    def _check(self, peer: Peer) -> None:
        at = self._silent_at(peer)
        if peer.state is not State.ALIVE or at is None:
            return
        if at > self.core.now:
            self._checks.plan(peer.name, at)
        elif self._was_late:
            self._checks.plan(peer.name, self._trusted_at)
        else:
            self.suspect(peer, loud=True)

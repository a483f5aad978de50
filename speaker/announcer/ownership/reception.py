"""Datagrams of the peers: what each proves, and what it says."""

from collections.abc import Callable
from typing import Any, Final

from speaker.announcer.agenda import Agenda
from speaker.announcer.ownership.claims import Lost
from speaker.announcer.ownership.conflicts import Conflicts
from speaker.announcer.ownership.core import Core, Phase
from speaker.announcer.ownership.events import Cause, Replaced
from speaker.announcer.ownership.lifecycle import Lifecycle
from speaker.announcer.ownership.malformed import Drop
from speaker.announcer.ownership.messages import (
    LAST_KEY,
    Alive,
    Betters,
    Body,
    Claim,
    Claims,
    Flag,
    Header,
    Hello,
    Message,
    Owner,
    Releases,
    Suspect,
    Why,
    Yields,
)
from speaker.announcer.ownership.moves import Moves
from speaker.announcer.ownership.peers import LONG_AGO, Judgement, Peer, State
from speaker.announcer.ownership.suspicion import Suspicions

JUMP: Final = 2**32  # a stamp so far above all known ones would let one broken node exhaust the 48 bits
CHALLENGE_PAUSE: Final = 0.05
CORRECT_PAUSE: Final = 1.0
TELL_ALL_PAUSE: Final = 0.05
VOUCH_PAUSE: Final = 0.04


class Reception:
    """Takes datagrams whose MAC was right."""

    def __init__(
        self, core: Core, suspicions: Suspicions, lifecycle: Lifecycle, moves: Moves, conflicts: Conflicts
    ) -> None:
        self.core, self.suspicions, self.lifecycle = core, suspicions, lifecycle
        self.moves, self.conflicts = moves, conflicts
        self._graces: Agenda[str] = Agenda()
        self._say: dict[type[Body], Callable[[Peer, Header, Any], None]] = {
            Hello: self._hello,
            Suspect: self._suspect,
            Alive: self._alive,
            Claims: self._claims,
            Releases: self._releases,
            Betters: self._betters,
            Yields: self._yields,
        }

    @property
    def deadline(self) -> float:
        return self._graces.deadline

    def take(self, message: Message) -> None:
        """One datagram."""
        core, header = self.core, message.header
        peer = core.roster.by_id.get(header.sender)
        if header.sender == core.id:
            return  # the kernel loops broadcasts back
        if peer is None:
            self._drop(Drop.NOT_A_MEMBER)
            return
        self.heard_somebody()
        if header.echo_boot == core.boot and header.echo_seq > core.seq:
            self.lifecycle.reborn()
            return
        if not self._counts(peer, header):
            return
        if header.lamport > core.lamport + JUMP:
            self._drop(Drop.STAMP_JUMP)
            return
        self._accept(peer, header)
        if header.flags & Flag.LEAVING:
            self._good_bye(peer)
            return
        self._prove(peer, header)
        self._tell_all(peer)
        if peer.living:
            self._say[type(message.body)](peer, header, message.body)

    def _tell_all(self, peer: Peer) -> None:
        core = self.core
        if peer.flags & Flag.WANT and core.now - peer.told_all >= TELL_ALL_PAUSE:
            peer.told_all = core.now
            core.out.complete[peer.name] = None

    def heard_somebody(self) -> None:
        """This node is not deaf."""
        core = self.core
        self.suspicions.heard_somebody(core.heard_anybody)
        core.heard_anybody = core.now
        if core.alone:
            core.alone = False
            core.out.hello = True

    def run(self) -> None:
        """What a restarted peer did not claim again in time, it lost."""
        for name in self._graces.due(self.core.now):
            peer = self.core.roster.peers.get(name)
            for key in sorted(peer.resuming) if peer is not None else ():
                self.core.book.drop(key, Lost(name, Cause.RESTART, self.core.now))
                self.core.touched.add(key)
            if peer is not None:
                peer.resuming.clear()

    def _drop(self, reason: Drop) -> None:
        self.core.tally["dropped", reason] += 1

    # --- what the header proves

    def _counts(self, peer: Peer, header: Header) -> bool:
        core = self.core
        match peer.judge(header, core.boot):
            case Judgement.NEXT | Judgement.NEW_BOOT:
                return True
            case Judgement.UNPROVEN:
                self._drop(Drop.UNPROVEN_BOOT)
                if core.now - peer.challenged >= CHALLENGE_PAUSE:
                    peer.challenged = core.now
                    core.out.challenges[peer.name] = (header.boot, header.seq)
            case Judgement.STALE:
                self._drop(Drop.REPLAYED)
                # An old memory image of the peer learns from the echo that it is one.
                if core.now - peer.corrected >= CORRECT_PAUSE:
                    peer.corrected = core.now
                    core.out.greet(peer.name)
            case Judgement.REPLACED:
                self._drop(Drop.REPLACED_BOOT)
        return False

    def _accept(self, peer: Peer, header: Header) -> None:
        core = self.core
        before, known = peer.flags, peer.boot
        if header.boot != known:
            self._restarted(peer, header)
        peer.accept(header)
        peer.spoke = core.now
        core.lamport = max(core.lamport, header.lamport)
        changed = (before ^ header.flags) & ~Flag.WANT
        if changed:
            core.recount = True
        if changed & Flag.LATE:
            both = [key for key in core.book.of(peer.name) if core.owns(key)]
            core.touched.update(both)
            core.disputed.update(both)

    def _restarted(self, peer: Peer, header: Header) -> None:
        """A process that proves to be there now has taken the place of the one known before, if there was one."""
        core = self.core
        if not peer.boot:
            return
        core.acts.append(Replaced(peer.name))
        peer.both_ways, peer.session_up = LONG_AGO, False
        peer.forget(core.now)
        held = {key: core.book.of(peer.name)[key] for key in core.book.of(peer.name)}
        resumes = peer.state is State.ALIVE and not header.flags & Flag.DECLINE
        if resumes and core.phase is Phase.RUNNING:  # otherwise this node may have missed that others took over
            if not peer.resuming:  # one that restarts again and again must not hold its addresses back for ever
                self._graces.plan(peer.name, core.now + core.timers.grace)
            peer.resuming = set(held)
        else:
            core.touched.update(core.book.forget(peer.name, Cause.RESTART, core.now))
        lost = {key: Claim(0, 0) for key, last in core.book.lost.items() if last.node == peer.name}
        for key, claim in (lost | held).items():
            if core.book.claimants(key) in ([], [peer.name]):
                core.out.better(peer.name, key, Owner(peer.id, claim, vouched=False))
        core.search()
        core.out.greet(peer.name, want=True)

    def _prove(self, peer: Peer, header: Header) -> None:
        if header.flags & Flag.ALONE:
            # It hears nobody, so it could answer nobody, though it still sends.
            peer.void_evidence()
            self.suspicions.suspect(peer, loud=True)
            return
        if peer.state is State.UNKNOWN:
            self.suspicions.met(peer)
        self.suspicions.evidence(peer, two_way=header.echo_boot == self.core.boot)

    def _good_bye(self, peer: Peer) -> None:
        peer.left = True
        if peer.living:
            self.suspicions.condemn(peer, Cause.LEFT)

    # --- what the body says

    def _hello(self, peer: Peer, _: Header, body: Hello) -> None:
        if (body.count, body.digest) == self.core.book.summary(peer.name):
            peer.stated = True
        elif not peer.resuming:
            self.core.ask(peer)

    def _alive(self, _: Peer, __: Header, body: Alive) -> None:
        suspect = self.core.roster.by_id.get(body.node)
        if suspect is not None and self.core.phase is not Phase.LATE:
            self.suspicions.vouched(suspect)

    def _betters(self, _: Peer, __: Header, body: Betters) -> None:
        for key, owner in body.entries:
            self.conflicts.told(key, owner)

    def _yields(self, peer: Peer, __: Header, body: Yields) -> None:
        for key, bequest in body.entries:
            if bequest.heir == self.core.id:
                self.moves.inherit(key, bequest, peer)

    def _suspect(self, asker: Peer, _: Header, body: Suspect) -> None:
        core, node = self.core, body.node
        if node == core.id:
            core.out.hello = True
            return
        suspect = core.roster.by_id.get(node)
        if suspect is None or core.phase is Phase.LATE:
            return
        if core.now - suspect.heard < core.timers.fresh:
            watching = suspect.name in core.roster.watch
            if watching and core.may_vouch(suspect) and core.now - suspect.vouched >= VOUCH_PAUSE:
                suspect.vouched = core.now
                core.out.words.append((None, Alive(suspect.id, suspect.boot)))
            return
        # Silence of the suspect is evidence only where somebody else could be heard.
        if asker.name in core.roster.watch:
            core.out.greet(asker.name)
        self.suspicions.suspect(suspect, loud=False)

    def _claims(self, peer: Peer, header: Header, body: Claims) -> None:
        core = self.core
        for key, claim in body.entries:
            if claim.stamp > core.lamport + JUMP:
                self._drop(Drop.STAMP_JUMP)
                continue
            core.lamport = max(core.lamport, claim.stamp)
            peer.resuming.discard(key)
            if core.book.put(peer.name, key, claim):
                core.touched.add(key)
            if core.owns(key):
                core.disputed.add(key)
        if body.complete:
            stated = {key for key, _ in body.entries} | peer.resuming
            missing = [key for key in core.book.of(peer.name) if body.low <= key <= body.high and key not in stated]
            for key in missing:
                core.book.drop(key, Lost(peer.name, Cause.RELEASED, core.now))
            core.touched.update(missing)
            peer.stated |= body.high == LAST_KEY
            self.lifecycle.answer(peer, header, body)

    def _releases(self, peer: Peer, _: Header, body: Releases) -> None:
        core = self.core
        for key, why in body.entries:
            peer.resuming.discard(key)
            core.book.drop(key, Lost(peer.name, Cause.RELEASED, core.now, withdrawn=why is Why.WITHDRAWN))
            core.touched.add(key)

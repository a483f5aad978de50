"""Filling a vacancy: an address that nobody living claims, on a node that may own it.

Rank decides by delay only, since lists may differ between nodes: each living, willing candidate before this one costs
`skew`. With a witnessed death and nobody before it, a node claims at once. In every other case it asks the wire first,
and announcers that know a living owner answer by BETTER.

    (closed) --vacant--> WAITING --delay--> PROBING --no answer--> claimed
                            ^                  |--a member answers, veto, somebody returned--> WAITING
                            +--recheck-- QUARANTINED <--a foreign host answers for a new address
"""

from dataclasses import dataclass

from speaker.announcer.agenda import Agenda
from speaker.announcer.ownership.claims import Lost
from speaker.announcer.ownership.core import Core
from speaker.announcer.ownership.events import Announce, Cause, Cleared, Conflict, Probe, Quarantined
from speaker.announcer.ownership.messages import Key
from speaker.announcer.ownership.peers import State
from speaker.announcer.ownership.tenure import Tenure

PROBES, PROBES_NEW = 2, 3
ANSWERS = 5  # of members are waited for


@dataclass(slots=True)
class Vacancy:
    """One address that this node might take. `new`: it was never announced by anybody."""

    since: float
    lost: Lost | None
    new: bool
    witnessed: bool  # this node saw its owner die in this very moment
    not_before: float
    probes: int = 0  # sent
    answers: int = 0  # of members that claim nothing
    foreign: bytes | None = None  # the hardware address of the host that has it


class Vacancies:
    """All vacancies of this node."""

    def __init__(self, core: Core, tenure: Tenure) -> None:
        self.core, self.tenure = core, tenure
        self._open: dict[Key, Vacancy] = {}
        self._due: Agenda[Key] = Agenda()

    @property
    def deadline(self) -> float:
        return self._due.deadline

    def __contains__(self, key: Key) -> bool:
        return key in self._open

    @property
    def quarantined(self) -> dict[Key, bytes]:
        """The addresses that a foreign host has, and its hardware address."""
        return {key: vacancy.foreign for key, vacancy in self._open.items() if vacancy.foreign is not None}

    def settle(self, key: Key) -> None:
        """Something about the address changed."""
        core = self.core
        entry = core.entries.get(key)
        if entry is None or core.book.claimants(key) or not core.may_claim or not core.candidate(entry):
            self._close(key, entry)
        elif key not in self._open:
            self._plan(key, self._found(key, entry))

    def recount(self) -> None:
        """Who lives or is willing changed: the delays with it."""
        for key, vacancy in list(self._open.items()):
            self._plan(key, vacancy)

    def reconsider(self, key: Key) -> None:
        """The speaker ranks the candidates in another way."""
        vacancy, entry = self._open.get(key), self.core.entries[key]
        if vacancy is not None and self.core.candidate(entry):
            self._plan(key, vacancy)

    def wait_for(self, returned: set[str]) -> None:
        """Peers are back from the dead. What they had, and all that is being asked for, may have an owner after all."""
        until = self.core.now + self.core.timers.returned
        for key, vacancy in list(self._open.items()):
            if vacancy.probes or (vacancy.lost is not None and vacancy.lost.node in returned):
                self._wait(key, vacancy, until)

    def veto(self, key: Key) -> None:
        """Somebody has it, or may have it: look again later."""
        vacancy = self._open.get(key)
        if vacancy is not None:
            self._wait(key, vacancy, self.core.now + self.core.timers.back_off)

    def answered_by_member(self, key: Key) -> bool:
        """A member answers, so it is asked what it claims; whether that may still change anything.

        A member whose kernel answers for whatever the node has (kube-proxy with IPVS, without strictARP) answers for
        ever and claims nothing.
        """
        vacancy = self._open.get(key)
        if vacancy is None or vacancy.answers == ANSWERS:
            return False
        vacancy.answers += 1
        self.veto(key)
        return True

    def answered(self, key: Key, mac: bytes) -> None:
        """A foreign host answers. A new address is not taken from it; in a failover it is reported, nothing waits."""
        vacancy = self._open.get(key)
        if vacancy is None or not vacancy.probes:
            return
        address = self.core.entries[key].address
        if not vacancy.new:
            self.core.acts.append(Conflict(address, mac))
            return
        if vacancy.foreign != mac:
            self.core.acts.append(Quarantined(address, mac))
        vacancy.foreign = mac
        self._wait(key, vacancy, self.core.now + self.core.timers.recheck)

    def run(self) -> None:
        """Ask the wire, and claim what nobody answers for."""
        timers = self.core.timers
        for key in self._due.due(self.core.now):
            vacancy = self._open[key]
            if vacancy.probes < (PROBES_NEW if vacancy.new else PROBES):
                vacancy.probes += 1
                self.core.acts.append(Probe(self.core.entries[key].address, first=vacancy.new))
                self._due.plan(key, self.core.now + (timers.probe_new if vacancy.new else timers.probe))
            elif self._ask_unstated():
                self._wait(key, vacancy, self.core.now)
            else:
                self._take(key, vacancy)

    def _ask_unstated(self) -> bool:
        """Whether a peer that came back may still say what it claims: it had little time, or it hears us."""
        core, timers = self.core, self.core.timers
        unstated = [
            peer
            for peer in core.roster.peers.values()
            if not peer.stated
            and peer.living
            and (peer.returned > core.now - timers.statement or peer.both_ways > core.now - timers.fresh)
        ]
        for peer in unstated:
            core.ask(peer)
        return bool(unstated)

    # --- one vacancy

    def _found(self, key: Key, entry: Announce) -> Vacancy:
        core = self.core
        now, lost = core.now, core.book.lost.get(key)
        not_before = now
        if lost is not None and lost.withdrawn:
            not_before = lost.at + core.timers.hold  # other speakers may hear of the end later than its owner
        elif lost is None and self._unheard_before(entry):
            not_before = core.started + core.timers.alone  # a cluster that starts within a second spreads by rank
        died = lost is not None and lost.cause in (Cause.DEATH, Cause.LEFT)
        vacancy = Vacancy(
            since=now,
            lost=lost,
            new=entry.fresh and lost is None,
            witnessed=died and lost is not None and lost.at == now,
            not_before=not_before,
        )
        self._open[key] = vacancy
        return vacancy

    def _unheard_before(self, entry: Announce) -> bool:
        core = self.core
        before = entry.candidates[: entry.candidates.index(core.me)]
        return any(core.roster.peers[name].state is State.UNKNOWN for name in before if name in core.roster.peers)

    def _before(self, key: Key, vacancy: Vacancy) -> int:
        """How many living, willing candidates go before this node."""
        core, entry, lost = self.core, self.core.entries[key], vacancy.lost
        if lost is not None and lost.node == core.me and not lost.withdrawn:
            return 0
        first = {lost.node} if lost is not None and lost.cause is Cause.RESTART else set()
        names = {*entry.candidates[: entry.candidates.index(core.me)], *(first & {*entry.candidates})}
        peers = core.roster.peers
        return sum(name in peers and peers[name].willing for name in names)

    def _plan(self, key: Key, vacancy: Vacancy) -> None:
        core = self.core
        before = self._before(key, vacancy)
        if vacancy.probes and not (vacancy.witnessed and before == 0):
            return  # it is being asked for
        skew = core.timers.skew_new if vacancy.new else core.timers.skew
        at = max(vacancy.since + before * skew, vacancy.not_before)
        if vacancy.witnessed and before == 0 and at <= core.now:
            self._take(key, vacancy)
        else:
            self._due.plan(key, at)

    def _wait(self, key: Key, vacancy: Vacancy, until: float) -> None:
        vacancy.probes, vacancy.witnessed = 0, False
        vacancy.not_before = max(vacancy.not_before, until)
        self._plan(key, vacancy)

    def _take(self, key: Key, vacancy: Vacancy) -> None:
        core, lost = self.core, vacancy.lost
        self._close(key, core.entries[key])
        cause = Cause.FIRST if lost is None else Cause.RESUMED if lost.node == core.me else lost.cause
        self.tenure.take(key, cause)

    def _close(self, key: Key, entry: Announce | None) -> None:
        vacancy = self._open.pop(key, None)
        if vacancy is not None:
            self._due.cancel(key)
            if vacancy.foreign is not None and entry is not None:
                self.core.acts.append(Cleared(entry.address))

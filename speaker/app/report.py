"""What the announcers report, as metrics and log lines."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address

from prometheus_client import CollectorRegistry, Gauge

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service, ServiceKey
from lb_controller.model.reasons import OmissionReason
from lb_controller.runtime.logging import logger
from lb_controller.runtime.metrics import Reported
from speaker.decide.facts import Omission
from speaker.decide.silence import Held
from speaker.ipc import counters
from speaker.ipc.messages import BgpState, Counters, LinkState

MOST_LINES = 20  # of one kind at a time
log = logger()


class Report:
    """The last state of this node's announcers."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self.metrics = metrics
        self.link: LinkState | None = None
        self.bgp: BgpState | None = None
        self.owned: dict[str, tuple[str, ...]] = {}
        self.quarantined: dict[str, str] = {}
        self.sessions: dict[str, bool] = {}
        self._silent: dict[Held, Omission] = {}
        self.holders: Callable[[Address], Iterable[Service]] = lambda _: ()
        self._announcer, self._bgp = Reported(counters.ANNOUNCER), Reported(counters.BGP)
        metrics.register(self._announcer)
        metrics.register(self._bgp)
        omitted = "addresses that are not announced, by reason"
        self.omissions = Gauge("heraldlb_speaker_omissions", omitted, ["protocol", "reason"], registry=metrics)
        announced = "addresses announced by anybody, by protocol"
        self.announced = Gauge("heraldlb_speaker_announced_addresses", announced, ["protocol"], registry=metrics)
        quiet = "addresses that nobody announces as far as this node knows, neither on the link nor from here by BGP"
        self.quiet = Gauge("heraldlb_speaker_silent_addresses", quiet, ["reason"], registry=metrics)
        self.nodes = Gauge("heraldlb_speaker_nodes", "Nodes of the cluster that this speaker knows", registry=metrics)
        lag = "by how much the event loop was late last"
        self.lag = Gauge("heraldlb_speaker_loop_lag_seconds", lag, registry=metrics)
        up = "1 when the BGP session is established"
        self._up = Gauge("heraldlb_bgp_session_up", up, ["peer"], registry=metrics)
        sent = "prefixes sent to the peer"
        self._sent = Gauge("heraldlb_bgp_announced_prefixes", sent, ["peer"], registry=metrics)

    def announcer_counters(self, message: Counters) -> None:
        self._announcer.values = message.values

    def bgp_counters(self, message: Counters) -> None:
        self._bgp.values = message.values

    def owned_now(self, message: LinkState) -> None:
        """Log what this node gained and lost."""
        self.link = message
        for address in sorted(message.owned.keys() - self.owned.keys()):
            log.info("address_owned", **self._where(address), interfaces=list(message.owned[address]))
        for address in sorted(self.owned.keys() - message.owned.keys()):
            log.info("address_released", **self._where(address))
        self.owned, self.quarantined = message.owned, message.quarantined

    def silent_now(self, silent: Mapping[Held, Omission]) -> None:
        """Log which addresses fell silent and why, and which are announced again; a flood is cut short."""
        changed = [held for held, omission in silent.items() if self._silent.get(held) != omission]
        for key, address in changed[:MOST_LINES]:
            omission = silent[key, address]
            where = {"service": str(key), "address": str(address)}
            uid = self._uid(key, address)
            log.info("address_omitted", **where, uid=uid, reason=omission.reason, why=omission.message)
        over = [held for held in self._silent if held not in silent]
        for key, address in over[:MOST_LINES]:
            where = {"service": str(key), "address": str(address)}
            log.info("address_omitted_no_more", **where, uid=self._uid(key, address))
        if (more := max(0, len(changed) - MOST_LINES) + max(0, len(over) - MOST_LINES)) > 0:
            log.info("more_omissions_changed", number=more)
        self._silent = dict(silent)
        reasons = Counter(omission.reason for omission in silent.values())
        for reason in OmissionReason:
            self.quiet.labels(reason.value).set(reasons[reason])

    def _where(self, address: str) -> dict[str, object]:
        """The address and who has it, as fields of a log line."""
        holders = list(self.holders(ip_address(address)))
        services = [str(holder.key) for holder in holders]
        return {"address": address, "services": services, "uids": [holder.uid for holder in holders]}

    def _uid(self, key: ServiceKey, address: Address) -> str:
        return next((holder.uid for holder in self.holders(address) if holder.key == key), "")

    def sessions_now(self, message: BgpState) -> None:
        """Log which sessions came up and went down."""
        self.bgp = message
        for session in message.sessions:
            if self.sessions.get(session.peer) != session.up:
                if session.up:
                    log.info("bgp_session_up", peer=session.peer)
                else:
                    log.warning("bgp_session_down", peer=session.peer, error=session.last_error)
        for peer in self.sessions.keys() - {session.peer for session in message.sessions}:
            log.info("bgp_session_removed", peer=peer)
        self.sessions = {session.peer: session.up for session in message.sessions}
        self._up.clear()
        self._sent.clear()
        for session in message.sessions:
            self._up.labels(session.peer).set(session.up)
            self._sent.labels(session.peer).set(session.routes)

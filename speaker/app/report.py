"""What the announcers report, as metrics and log lines."""

from prometheus_client import CollectorRegistry, Gauge

from lb_controller.runtime.logging import logger
from lb_controller.runtime.metrics import Reported
from speaker.ipc import counters
from speaker.ipc.messages import BgpState, Counters, LinkState

log = logger()


class Report:
    """The last state of this node's announcers."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self.owned: dict[str, tuple[str, ...]] = {}
        self.sessions: dict[str, bool] = {}
        self._announcer, self._bgp = Reported(counters.ANNOUNCER), Reported(counters.BGP)
        metrics.register(self._announcer)
        metrics.register(self._bgp)
        omitted = "addresses that are not announced, by reason"
        self.omissions = Gauge("heraldlb_speaker_omissions", omitted, ["protocol", "reason"], registry=metrics)
        announced = "addresses announced by anybody, by protocol"
        self.announced = Gauge("heraldlb_speaker_announced_addresses", announced, ["protocol"], registry=metrics)
        lag = "by how much the event loop was late last"
        self.lag = Gauge("heraldlb_speaker_loop_lag_seconds", lag, registry=metrics)

    def announcer_counters(self, message: Counters) -> None:
        self._announcer.values = message.values

    def bgp_counters(self, message: Counters) -> None:
        self._bgp.values = message.values

    def owned_now(self, message: LinkState) -> None:
        """Log what this node gained and lost."""
        for address in sorted(message.owned.keys() - self.owned.keys()):
            log.info("address_owned", address=address, interfaces=list(message.owned[address]))
        for address in sorted(self.owned.keys() - message.owned.keys()):
            log.info("address_released", address=address)
        self.owned = message.owned

    def sessions_now(self, message: BgpState) -> None:
        """Log which sessions came up and went down."""
        for session in message.sessions:
            if self.sessions.get(session.peer) != session.up:
                event = "bgp_session_up" if session.up else "bgp_session_down"
                log.info(event, peer=session.peer, error=session.last_error)
        self.sessions = {session.peer: session.up for session in message.sessions}

"""The controller's metrics. Every name begins with heraldlb_ and is documented by its help text."""

from collections import Counter as Tally
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.outcome import Refusal
from lb_controller.app.pool_metrics import PoolMetrics
from lb_controller.model import names
from lb_controller.model.address import Family
from lb_controller.model.reasons import RefusalReason


class ControllerMetrics:
    """All metrics of one process, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.services = Gauge("heraldlb_services", "Services of type LoadBalancer that are ours", registry=registry)
        self.assigned = Gauge(
            "heraldlb_assigned_addresses", "Addresses that Services hold, by family", ["family"], registry=registry
        )
        self.refusals = Gauge(
            "heraldlb_refused_services", "Services without address, by reason", ["reason"], registry=registry
        )
        self.writes = Counter(
            "heraldlb_status_writes",
            "Status writes that ended, by kind and result",
            ["kind", "result"],
            registry=registry,
        )
        self.conflicts = Counter(
            "heraldlb_write_conflicts", "Status writes refused because the object had changed", registry=registry
        )
        self.events_dropped = Counter(
            "heraldlb_events_dropped", "Kubernetes Events given up: too many, or no answer", registry=registry
        )
        self.kopf_restarts = Counter(
            "heraldlb_kopf_restarts", "Times that the kopf operator ended and was started again", registry=registry
        )
        self.reviews = Counter(
            "heraldlb_admission_reviews",
            "Changes that the webhook was asked about, by result",
            ["result"],
            registry=registry,
        )
        self.rivals = Gauge(
            "heraldlb_rivals",
            "Pods of other load balancers that run; above 0 ours leaves their Services alone",
            registry=registry,
        )
        self.shadowed = Gauge(
            "heraldlb_shadowed_services",
            "Services that would be written if no other load balancer ran",
            registry=registry,
        )
        self.is_leader = Gauge(
            "heraldlb_is_leader", "1 while this replica assigns and writes, 0 while it only watches", registry=registry
        )
        self.plan_seconds = Gauge(
            "heraldlb_last_plan_seconds", "Time that the latest batch of changes took to decide", registry=registry
        )
        self.loop_lag = Gauge(
            "heraldlb_loop_lag_seconds", "Worst lateness of the event loop since the previous scrape", registry=registry
        )
        self.invalid = Gauge(
            "heraldlb_invalid_objects", "Objects that are not in use because of an error", ["kind"], registry=registry
        )
        self.pools = PoolMetrics()
        registry.register(self.pools)

    def show(self, ledger: Ledger | None, shadowed: int = 0) -> None:
        """Set the gauges that describe the assignments."""
        self.shadowed.set(shadowed)
        for family in Family:
            self.assigned.labels(family.value).set(ledger.holdings.count(family) if ledger else 0)
        entries = ledger.entries.values() if ledger else ()
        refused = Tally(entry.outcome.reason for entry in entries if isinstance(entry.outcome, Refusal))
        for reason in RefusalReason:
            self.refusals.labels(reason.value).set(refused[reason])
        self.services.set(len(ledger.entries) if ledger else 0)
        self.pools.ledger = ledger

    def show_invalid(self, invalid: Mapping[str, int]) -> None:
        """Set the number of objects of each kind that have an error."""
        for kind in names.PLURALS:
            self.invalid.labels(kind).set(invalid.get(kind, 0))

"""How full each pool is, counted when Prometheus asks: a pool's fields of status would be too old, or absent."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lb_controller.allocation.ledger import Ledger
from lb_controller.app import pools
from lb_controller.model.address import Family


class PoolMetrics(Collector):
    """Two gauges by pool and family; nothing while this replica rests."""

    def __init__(self) -> None:
        self.ledger: Ledger | None = None

    def collect(self) -> Iterable[Metric]:
        labels = ["pool", "family"]
        text = "Addresses that the pool can give out, assigned or free; none of a family that it lacks"
        size = GaugeMetricFamily("heraldlb_pool_addresses", text, labels=labels)
        text = "Addresses of the pool that Services hold"
        assigned = GaugeMetricFamily("heraldlb_pool_assigned_addresses", text, labels=labels)
        ledger = self.ledger
        filled = pools.fill(ledger.holdings.pools, ledger.holdings.usage()) if ledger is not None else {}
        for name, fields in filled.items():
            for family in Family:
                held, free = fields[f"assigned{family}"], fields[f"available{family}"]
                if held or free:
                    assigned.add_metric([name, family.value], held)
                    size.add_metric([name, family.value], held + free)
        return size, assigned

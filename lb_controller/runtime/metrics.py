"""The metrics registry of a process, and counters that another process reports to this one."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def registry() -> CollectorRegistry:
    """An empty registry of our own: no platform metrics, nothing global."""
    # Without a second series for each counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return CollectorRegistry(auto_describe=False)


def exposition(metrics: CollectorRegistry) -> bytes:
    """The text that Prometheus scrapes."""
    return generate_latest(metrics)


class Reported(Collector):
    """Metrics that another process counts: `values` holds name -> label value -> number, as it reported them last.

    `described` says for each name its help and label name ("" for none); names that end in _total are counters.
    """

    def __init__(self, described: Mapping[str, tuple[str, str]]) -> None:
        self.described = described
        self.values: dict[str, dict[str, float]] = {}

    def collect(self) -> Iterable[Metric]:
        for name, (text, label) in self.described.items():
            labels = [label] if label else []
            family: CounterMetricFamily | GaugeMetricFamily
            if name.endswith("_total"):
                family = CounterMetricFamily(name, text, labels=labels)
            else:
                family = GaugeMetricFamily(name, text, labels=labels)
            for value, number in self.values.get(name, {}).items():
                family.add_metric([value] if label else [], number)
            yield family

"""The planning core alone: how fast addresses are assigned, and what one change costs among many.

CPU time of one process, the best of several runs. Services are made before the clock starts; what is measured is the
ledger and the planner (`effects` has a line of its own). The yardstick is a loop that takes the next number, makes the
same outcome and stores it in a dict: what Python can do at most. The garbage collector looks at everything that lives
again and again while much is made; one line shows what is left when it looks less often.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from lb_controller.allocation.changes import ConfigChanged, QuarantineChanged, ServiceChanged, ServiceGone
from lb_controller.allocation.effects import effects
from lb_controller.allocation.ledger import Ledger
from lb_controller.allocation.outcome import Assignment, Outcome
from lb_controller.allocation.planner import plan
from lb_controller.model.address import Family, parse_range
from lb_controller.model.cluster import Port, Service, ServiceKey
from lb_controller.model.config import Config, Pool

SIZES = (1_000, 10_000, 50_000)
RUNS = 5
CHANGES = 2_000
V4, V6 = ip_address("10.96.0.9"), ip_address("fd00:96::9")


def services(count: int, *, version: int = 4, first: int = 0) -> list[Service]:
    return [
        Service(
            key=ServiceKey(f"ns{number % 100}", f"service-{number}"),
            uid=f"uid-{number}",
            created=f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
            cluster_ips=(V4 if version == 4 else V6,),
            selector={"app": f"app-{number}"},
            ports=(Port("TCP", 80), Port("TCP", 443)),
        )
        for number in range(first, first + count)
    ]


def ledger_with(*ranges: str) -> Ledger:
    ledger = Ledger()
    ledger.apply(ConfigChanged(pools(*ranges)))
    return ledger


def pools(*ranges: str) -> Config:
    return Config(pools=(Pool("pool", tuple(parse_range(text) for text in ranges)),))


def tell(ledger: Ledger, found: Sequence[Service]) -> dict[ServiceKey, Outcome]:
    """All of these are new, and decided together."""
    dirty: set[ServiceKey] = set()
    for service in found:
        dirty |= ledger.apply(ServiceChanged(service))
    return plan(ledger, dirty)


def filled(count: int, *ranges: str) -> tuple[Ledger, list[Service]]:
    ledger, found = ledger_with(*ranges or ("10.0.0.0/8",)), services(count)
    tell(ledger, found)
    return ledger, found


def best(work: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of CPU time of the fastest run."""
    times = []
    for _ in range(runs):
        gc.collect()
        begin = time.process_time()
        kept = work()
        times.append(time.process_time() - begin)
        del kept
    return min(times)


def each(work: Callable[[int], object], count: int = CHANGES) -> tuple[float, float]:
    """Microseconds of CPU time of one step: amortised, and the median."""
    gc.collect()
    times, begin = [], time.process_time()
    for number in range(count):
        start = time.thread_time_ns()
        work(number)
        times.append(time.thread_time_ns() - start)
    return (time.process_time() - begin) / count * 1e6, statistics.median(times) / 1e3


def yardstick(count: int) -> float:
    keys = [service.key for service in services(count)]

    def loop() -> object:
        outcomes = {}
        for number, key in enumerate(keys):
            outcomes[key] = Assignment((number,), ("pool",))
        return outcomes

    return best(loop)


def from_scratch() -> None:
    bare = yardstick(SIZES[-1])
    print(f"yardstick: {SIZES[-1]} outcomes stored in a dict, {SIZES[-1] / bare:9.0f}/s")
    per_one = {}
    for count in SIZES:
        found = services(count)
        per_one[count] = best(lambda found=found: (ledger := ledger_with("10.0.0.0/8"), tell(ledger, found))) / count  # type: ignore[misc]
        growth = per_one[count] / per_one[SIZES[0]]
        print(
            f"{count:6} assigned from scratch: {1 / per_one[count]:9.0f}/s   cost of one x {growth:.2f} of that at 1000"
        )
    print(f"       the yardstick is {per_one[SIZES[-1]] * SIZES[-1] / bare:.1f} times as fast")
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 10, 10)
    took = best(lambda: (ledger := ledger_with("10.0.0.0/8"), tell(ledger, found)))
    gc.set_threshold(*usual)
    print(f"{SIZES[-1]:6} with a collection per 50000 new objects, not 700: {SIZES[-1] / took:9.0f}/s")
    held = [replace(service, ingress=(ip_address(0x0A000000 + n),)) for n, service in enumerate(services(SIZES[-1]))]
    took = best(lambda: (ledger := ledger_with("10.0.0.0/8"), tell(ledger, held)))
    print(f"{len(held):6} taken over from their statuses: {len(held) / took:9.0f}/s")


def one_change() -> None:
    for count in SIZES:
        ledger, _ = filled(count)
        more = services(CHANGES, first=count)
        amortised, median = each(lambda n, ledger=ledger, more=more: tell(ledger, [more[n]]))  # type: ignore[misc]
        print(f"among {count:6}: one more Service           {amortised:7.1f} us amortised, {median:6.1f} us median")
        amortised, median = each(lambda n, ledger=ledger, more=more: forget(ledger, more[n].key))  # type: ignore[misc]
        print(f"among {count:6}: one Service gone           {amortised:7.1f} us amortised, {median:6.1f} us median")


def forget(ledger: Ledger, key: ServiceKey) -> object:
    return plan(ledger, ledger.apply(ServiceGone(key)))


def waiting() -> None:
    for count in SIZES:
        ledger, found = filled(count + 256, "192.0.2.0/24")
        holders = [service.key for service in found[:256]]
        amortised, median = each(lambda n, ledger=ledger, keys=holders: forget(ledger, keys[n]), 256)  # type: ignore[misc]
        print(f"{count:6} wait: one goes, the oldest is served {amortised:7.1f} us amortised, {median:6.1f} us median")


def sharing() -> None:
    for count in (100, 1_000, 10_000):
        ledger = ledger_with("10.0.0.0/8")
        key = {"heraldlb.io/allow-shared-ip": "k"}
        same = [
            replace(service, key=ServiceKey("ns", f"s{n}"), annotations=key, ports=(Port("TCP", n + 1),))
            for n, service in enumerate(services(count))
        ]
        took = best(lambda ledger=ledger, same=same: tell(ledger, same), 1)  # type: ignore[misc]
        assert ledger.holdings.count(Family.IPV4) == 1
        print(f"{count:6} gather on one address: {took / count * 1e6:6.1f} us each")


def sharing_in_vain() -> None:
    """Every Service has port 80 and one of its own, so that nobody can share with anybody."""
    for count in (100, 1_000, 10_000):
        ledger = ledger_with("10.0.0.0/8")
        key = {"heraldlb.io/allow-shared-ip": "k"}
        same = [
            replace(
                service, key=ServiceKey("ns", f"s{n}"), annotations=key, ports=(Port("TCP", 80), Port("TCP", n + 81))
            )
            for n, service in enumerate(services(count))
        ]
        took = best(lambda ledger=ledger, same=same: tell(ledger, same), 1)  # type: ignore[misc]
        assert ledger.holdings.count(Family.IPV4) == count
        print(f"{count:6} have one key but find nobody to share with: {took / count * 1e6:6.1f} us each")


def sizes_of_pools() -> None:
    first = None
    for text, version in (("10.0.0.0/24", 4), ("10.0.0.0/8", 4), ("2001:db8::/64", 6)):
        batches = [services(250, version=version, first=250 * n) for n in range(100)]
        took = best(lambda text=text, batches=batches: [tell(ledger_with(text), found) for found in batches]) / 25_000  # type: ignore[misc]
        first = first or took
        print(f"pool {text:13}: {1 / took:9.0f}/s, 250 a time ({took / first:.2f} of the /24)")


def whole_configurations() -> None:
    ledger, found = filled(10_000)
    wide, narrow = pools("10.0.0.0/8", "192.0.2.0/24"), pools("10.0.0.0/8")
    grown = best(lambda: (plan(ledger, ledger.apply(ConfigChanged(wide))), ledger.apply(ConfigChanged(narrow)))) / 2
    print(f"10000 hold: their pool grows or shrinks elsewhere {grown * 1e3:6.1f} ms")
    renamed = [Config(pools=(replace(narrow.pools[0], name=name),)) for name in ("other", "pool")]
    took = best(lambda: [plan(ledger, ledger.apply(ConfigChanged(config))) for config in renamed]) / 2
    print(f"10000 hold: their pool is renamed, all are decided again {took * 1e3:6.1f} ms")
    one = [QuarantineChanged(frozenset({ip_address("10.0.0.7")})), QuarantineChanged(frozenset())]
    took = best(lambda: [plan(ledger, ledger.apply(change)) for change in one]) / 2
    print(f"10000 hold: a foreign host answers for one address {took * 1e6:6.1f} us")
    outcomes = [(service, outcome) for service in found if (outcome := ledger.entries[service.key].outcome) is not None]
    took = best(lambda: [effects(service, outcome) for service, outcome in outcomes])
    print(f"effects of a new assignment: {took / len(outcomes) * 1e6:6.1f} us each")


if __name__ == "__main__":
    from_scratch()
    one_change()
    waiting()
    sharing()
    sharing_in_vain()
    sizes_of_pools()
    whole_configurations()

"""The preflight's shell: looks at the node at the start and every minute, tells of changes, shows gauges."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from lb_controller.runtime.logging import logger
from speaker.app.node_facts import read
from speaker.decide.preflight import Finding, Needs, findings

EVERY_SECONDS = 60.0
SOON_SECONDS = 1.0
log = logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the speaker knows: the addresses that Services hold, whether there are BGP peers, the worst lag lately."""

    addresses: Iterable[str]
    bgp: bool
    lag: float


class Preflight:
    """Of one node; `ask` is called before each look, and gives None as long as the speaker knows nothing yet."""

    def __init__(self, metrics: CollectorRegistry, ask: Callable[[], Asked | None]) -> None:
        self._ask = ask
        self._told: dict[Finding, str] = {}
        text = "1 for what was found about the node that would break announcements, by finding"
        self._gauge = Gauge("heraldlb_preflight_findings", text, ["finding"], registry=metrics)
        self.tell({})

    async def run(self) -> None:
        """Look for ever."""
        while True:
            asked = self._ask()
            if asked is None:
                await asyncio.sleep(SOON_SECONDS)
                continue
            addresses = list(asked.addresses)
            v6 = sum(":" in address for address in addresses)
            needs = Needs(ipv4=len(addresses) > v6, ipv6=v6 > 0, bgp=asked.bgp)
            self.tell(findings(await read(addresses, asked.lag), needs))
            await asyncio.sleep(EVERY_SECONDS)

    def tell(self, found: Mapping[Finding, str]) -> None:
        """Show what is found now; log what is new, different or gone."""
        for finding in Finding:
            self._gauge.labels(finding.value).set(finding in found)
        for finding, why in found.items():
            if self._told.get(finding) != why:
                log.warning("preflight_finding", finding=finding.value, why=why)
        for finding in self._told.keys() - found.keys():
            log.info("preflight_finding_gone", finding=finding.value)
        self._told = dict(found)

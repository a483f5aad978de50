"""Which BGPAdvertisements an address is meant for, before any node is looked at; what holds for a pool is found once.

An address of no pool (its pool was edited or deleted, and the assignment is kept) belongs to the advertisements that
select every pool: what it was in before cannot be known.
"""

from lb_controller.model.address import Address
from lb_controller.model.cluster import Service
from lb_controller.model.config import BGPAdvertisement, Config, Pool, PoolSelection
from lb_controller.model.reasons import OmissionReason
from speaker.decide.eligibility import selected
from speaker.decide.facts import Omission


class Matching:
    """The BGPAdvertisements of one configuration, by what they select."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._by_pool: dict[str | None, tuple[BGPAdvertisement, ...]] = {}

    def of(self, service: Service, address: Address) -> tuple[BGPAdvertisement, ...] | Omission:
        """The advertisements for this address of this Service, or why there is none."""
        pool = self._config.pool_of(address)
        selecting = self._selecting(pool)
        if pool is None and not selecting:
            message = (
                f"{address} of Service {service.key} is in no IPAddressPool, and no BGPAdvertisement selects every "
                "pool; put the address back into a pool"
            )
            return Omission(OmissionReason.POOL_UNKNOWN, message)
        fitting = tuple(ad for ad in selecting if selected(ad.service_selectors, service.labels))
        if not fitting:
            message = f"no BGPAdvertisement selects the pool of {address} and the labels of Service {service.key}"
            return Omission(OmissionReason.NO_MATCHING_ADVERTISEMENT, message)
        return fitting

    def _selecting(self, pool: Pool | None) -> tuple[BGPAdvertisement, ...]:
        name = None if pool is None else pool.name
        if name not in self._by_pool:
            self._by_pool[name] = tuple(
                ad
                for ad in self._config.bgp_advertisements
                if (ad.pools.selects(pool) if pool is not None else ad.pools == PoolSelection())
            )
        return self._by_pool[name]

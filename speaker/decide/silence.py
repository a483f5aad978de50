"""Which addresses are announced by nobody that this node knows of, neither on the link nor from here by BGP, and why.

An address that one protocol announces needs no word about the other one: most are meant for one only. Where both leave
it out, the reason of the protocol that has an advertisement for it is the one that its user can do something about.
"""

from collections.abc import Mapping

from lb_controller.model.address import Address
from lb_controller.model.cluster import ServiceKey
from lb_controller.model.reasons import OmissionReason
from speaker.decide.facts import Omission

Held = tuple[ServiceKey, Address]

_NOT_MEANT = {OmissionReason.NO_MATCHING_ADVERTISEMENT, OmissionReason.POOL_UNKNOWN}


def silent(
    link: Mapping[Address, Mapping[ServiceKey, Omission]], bgp: Mapping[Held, Omission] | None
) -> dict[Held, Omission]:
    """One omission for each silent address. `bgp` None: there is no BGPAdvertisement at all, BGP announces nothing."""
    found: dict[Held, Omission] = {}
    for address, omissions in link.items():
        for key, omission in omissions.items():
            held = (key, address)
            if bgp is None:
                found[held] = omission
            elif (other := bgp.get(held)) is not None:
                found[held] = other if omission.reason in _NOT_MEANT and other.reason not in _NOT_MEANT else omission
    return found

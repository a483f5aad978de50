"""From a BFDProfile to the BFD session of one BGP peer, and what of the profile is not done.

Fields that the profile leaves out have MetalLB's defaults (FRR's): 300 ms each way, detect multiplier 3, and over
multiple hops a TTL of at least 254.
"""

from lb_controller.model.config import BFDProfile
from speaker.ipc.messages import BfdSession


def bfd_session(  # noqa: PLR0913 - who, where and how, all by keyword
    profile: BFDProfile,
    *,
    name: str,
    peer: str,
    local: str = "",
    interface: str = "",
    multi_hop: bool = False,
) -> BfdSession:
    """The session of the BGP peer `name` at the address `peer`; `multi_hop`: routers may stand between."""
    default = BfdSession(name=name, peer=peer)
    return BfdSession(
        name=name,
        peer=peer,
        local=local,
        interface="" if multi_hop else interface,
        multi_hop=multi_hop,
        minimum_ttl=_or(profile.minimum_ttl, default.minimum_ttl),
        transmit_interval=_or(profile.transmit_interval_ms, default.transmit_interval),
        receive_interval=_or(profile.receive_interval_ms, default.receive_interval),
        detect_multiplier=_or(profile.detect_multiplier, default.detect_multiplier),
        passive=profile.passive_mode,
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def refused(profile: BFDProfile) -> tuple[str, ...]:
    """A sentence for each wish of the profile that is not fulfilled; the session runs without it."""
    if not profile.echo_mode:
        return ()
    return (
        f"BFDProfile {profile.name} asks for echoMode, which HeraldLB does not have: the peer's forwarding is not "
        "probed, silence is detected by control packets at the profile's transmit and receive intervals",
    )

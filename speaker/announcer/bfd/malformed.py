"""BFD packets that are not for a session, or not what they should be (RFC 5880 6.7 and 6.8.6)."""

from enum import StrEnum, unique


@unique
class Drop(StrEnum):
    """Why a packet was not received; a metric label. In the order in which the checks are made."""

    BAD_TTL = "bad_ttl"  # it came over more hops than the session may have
    TRUNCATED = "truncated"
    BAD_VERSION = "bad_version"
    BAD_LENGTH = "bad_length"
    LENGTH_BEYOND_PAYLOAD = "length_beyond_payload"
    ZERO_DETECT_MULTIPLIER = "zero_detect_multiplier"
    MULTIPOINT = "multipoint"
    ZERO_MY_DISCRIMINATOR = "zero_my_discriminator"
    ZERO_YOUR_DISCRIMINATOR = "zero_your_discriminator"
    UNKNOWN_SESSION = "unknown_session"
    UNEXPECTED_AUTHENTICATION = "unexpected_authentication"
    MISSING_AUTHENTICATION = "missing_authentication"
    WRONG_AUTHENTICATION_TYPE = "wrong_authentication_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_AUTHENTICATION_LENGTH = "bad_authentication_length"
    BAD_DIGEST = "bad_digest"
    BAD_SEQUENCE = "bad_sequence"  # replayed, or the peer began anew
    ADMIN_DOWN = "admin_down"  # the session is disabled here
    NOT_SENT = "not_sent"  # ours, and the kernel did not take it


class MalformedPacket(Exception):
    """A packet that must be discarded; `reason` is counted."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason)
        self.reason = reason

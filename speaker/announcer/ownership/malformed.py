"""Datagrams that cannot be what they should be, and datagrams that prove nothing."""

from enum import StrEnum, unique


@unique
class Drop(StrEnum):
    """Why a datagram of the ownership protocol was not heeded; a metric label."""

    LENGTH = "length"  # shorter than header and MAC, longer than the largest, or not as long as it says
    NOT_OURS = "not_ours"
    VERSION = "version"
    UNKNOWN_KEY = "unknown_key"
    BAD_MAC = "bad_mac"  # another key, another cluster, another link, or changed on the way
    UNKNOWN_TYPE = "unknown_type"
    BAD_BODY = "bad_body"
    NOT_A_MEMBER = "not_a_member"
    REPLAYED = "replayed"  # its number is not above the last one: replayed, reordered, or an old memory image
    REPLACED_BOOT = "replaced_boot"
    UNPROVEN_BOOT = "unproven_boot"
    STAMP_JUMP = "stamp_jump"  # so far above every known stamp that only a broken node can have sent it


class MalformedPacket(Exception):
    """A datagram that cannot be read; `reason` is counted."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason)
        self.reason = reason

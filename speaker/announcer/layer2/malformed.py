"""Packets that cannot be what they should be."""

from enum import StrEnum, unique


@unique
class Drop(StrEnum):
    """Why a frame was not answered; a metric label."""

    TRUNCATED = "truncated"
    VLAN_TAGGED = "vlan_tagged"
    NOT_ETHERNET_IPV4 = "not_ethernet_ipv4"
    NOT_A_REQUEST = "not_a_request"
    NOT_FOR_US = "not_for_us"
    BAD_SENDER = "bad_sender"
    BAD_HOP_LIMIT = "bad_hop_limit"
    BAD_CHECKSUM = "bad_checksum"
    BAD_OPTION = "bad_option"
    BAD_SOURCE = "bad_source"
    BAD_TARGET = "bad_target"
    BAD_CODE = "bad_code"
    CLAIM = "claim"  # somebody else announces an address that is ours
    NOT_OWNED = "not_owned"
    SILENT = "silent"  # this process was late or starts, and does not know yet whether the address is still its own
    NOT_SENT = "not_sent"  # the answer did not fit into the interface's queue
    QUEUE_FULL = "queue_full"  # the kernel dropped the question, because this process was slow


class MalformedPacket(Exception):
    """A frame that cannot be answered; `reason` is counted."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason)
        self.reason = reason

"""Reason codes: one word is condition reason, Event reason, metric label and heading in the documentation.

A refusal is the decision that a Service has no address; an omission, that an assigned address is not announced
from somewhere. A test holds docs/reference/reasons.md against these enumerations.
"""

from enum import StrEnum, unique


@unique
class AssignedReason(StrEnum):
    """Why condition heraldlb.io/Assigned is True."""

    ASSIGNED = "Assigned"
    ADDRESS_NOT_IN_POOL = "AddressNotInPool"
    REQUEST_UNSATISFIED = "RequestUnsatisfied"
    ADDRESS_CONFLICT = "AddressConflict"


@unique
class RefusalReason(StrEnum):
    """Why condition heraldlb.io/Assigned is False: the Service has no address."""

    NO_POOL = "NoPool"
    POOL_EXHAUSTED = "PoolExhausted"
    UNKNOWN_POOL = "UnknownPool"
    POOL_NOT_ALLOWED = "PoolNotAllowed"
    ADDRESS_OUTSIDE_POOLS = "AddressOutsidePools"
    ADDRESS_IN_USE = "AddressInUse"
    SHARING_CONFLICT = "SharingConflict"
    ADDRESS_CONFLICT = "AddressConflict"
    FAMILY_MISMATCH = "FamilyMismatch"
    BAD_REQUEST = "BadRequest"
    NO_CLUSTER_IP = "NoClusterIP"


@unique
class NewsReason(StrEnum):
    """Reasons of Events about a Service that are not the reason of a condition too."""

    DEPRECATED_ANNOTATION = "DeprecatedAnnotation"


@unique
class ObjectReason(StrEnum):
    """Reasons of the condition Accepted on HeraldLB's own objects."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    OVERLAPS = "OverlapsAnotherPool"
    CONFLICT = "Conflict"
    REFERENCE_NOT_FOUND = "ReferenceNotFound"


@unique
class OmissionReason(StrEnum):
    """Why an assigned address is not announced (from this node, or from anywhere)."""

    NO_USABLE_ENDPOINT = "NoUsableEndpoint"
    NO_LOCAL_ENDPOINT = "NoLocalEndpoint"
    NO_MATCHING_ADVERTISEMENT = "NoMatchingAdvertisement"
    NODE_NOT_SELECTED = "NodeNotSelected"
    NO_ELIGIBLE_NODE = "NoEligibleNode"
    NODE_EXCLUDED = "NodeExcluded"
    NODE_NETWORK_UNAVAILABLE = "NodeNetworkUnavailable"
    NODE_NOT_READY = "NodeNotReady"
    NODE_CANNOT_FORWARD = "NodeCannotForward"
    NOT_OWNER = "NotOwner"
    NO_PEER = "NoPeer"
    CONFLICTING_ADVERTISEMENTS = "ConflictingAdvertisements"
    POOL_UNKNOWN = "PoolUnknown"
    SHARED_ADDRESS_ELSEWHERE = "SharedAddressElsewhere"
    NO_SESSION = "NoSession"
    BAD_ANNOTATION = "BadAnnotation"
    ADDRESS_CONFLICT = "AddressConflict"


@unique
class AnnouncedReason(StrEnum):
    """Why condition heraldlb.io/Announced is True; where it is False, the reason is an omission's."""

    ANNOUNCED = "Announced"


@unique
class PeerReason(StrEnum):
    """Reasons of the condition Established on a BGPPeer."""

    ALL_ESTABLISHED = "AllEstablished"
    SOME_DOWN = "SomeSessionsDown"
    ALL_DOWN = "NoSessionEstablished"
    NO_NODE = "NoNodeSelected"

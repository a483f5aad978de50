"""What the ledger is told, and the settings of its rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from lb_controller.model.address import Address
from lb_controller.model.cluster import Namespace, Service, ServiceKey
from lb_controller.model.config import Config


@unique
class Stranded(StrEnum):
    """What becomes of an address that no pool covers any more, or whose pool no longer lets the Service in."""

    RETAIN = "Retain"
    REASSIGN = "Reassign"


@dataclass(frozen=True, slots=True)
class AllocationSettings:
    """Settings of the rules."""

    stranded: Stranded = Stranded.RETAIN


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """A new configuration."""

    config: Config


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A Service is new or changed."""

    service: Service


@dataclass(frozen=True, slots=True)
class ServiceGone:
    """A Service was deleted, or is no longer ours to serve."""

    key: ServiceKey


@dataclass(frozen=True, slots=True)
class NamespacesChanged:
    """All namespaces with their labels."""

    namespaces: Mapping[str, Namespace]


@dataclass(frozen=True, slots=True)
class QuarantineChanged:
    """All addresses that a foreign host answers for."""

    addresses: frozenset[Address]


Change = ConfigChanged | ServiceChanged | ServiceGone | NamespacesChanged | QuarantineChanged

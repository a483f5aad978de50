"""What is wrong with an object, as values."""

from dataclasses import dataclass
from enum import StrEnum, unique

from lb_controller.model.config import Origin
from lb_controller.model.reasons import ObjectReason


@unique
class Severity(StrEnum):
    """An error keeps the object (or what the sentence names) out of use; a warning only tells."""

    ERROR = "Error"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence about one field of one object; `field` is a path such as `spec.addresses[2]`."""

    kind: str
    name: str
    field: str
    message: str
    reason: ObjectReason = ObjectReason.INVALID
    severity: Severity = Severity.ERROR
    origin: Origin = Origin.HERALDLB

    def __str__(self) -> str:
        where = f" {self.field}:" if self.field else ":"
        return f"{self.kind} {self.name}{where} {self.message}"

"""Label selectors with Kubernetes' meaning (metav1.LabelSelector).

Requirements are ANDed; an empty selector matches everything; `NotIn` and `DoesNotExist` match objects without the
key. A list of selectors is ORed by `any_matches`, where an empty list matches nothing: callers say what "none given"
means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Operator(StrEnum):
    """Operators of a match expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement on one label key; `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All `requirements` must hold; `matchLabels` are requirements with operator In and one value."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def any_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Whether at least one selector matches; nothing matches an empty list."""
    return any(selector.matches(labels) for selector in selectors)

"""Reading fields of a decoded JSON object whose types nobody promised.

A Reader stands on one mapping and knows its path. Its methods return a usable value or None, and note a Problem for
what they could not use. Kubernetes' schema refuses most of it earlier; objects from before the schema and MetalLB's get
here.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lb_controller.model.address import Address, parse_address
from lb_controller.model.config import Origin
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.reasons import ObjectReason
from lb_controller.model.selectors import LabelSelector, Operator, Requirement

# At most nine digits: a longer number is no duration that anybody means, and would become infinity.
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|us|µs|ns|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Reader:
    """Reads one mapping at `path` of the object `kind`/`name`; `problems` is shared by all readers of the object."""

    def __init__(self, value: object, path: str, about: tuple[str, str, Origin], problems: list[Problem]) -> None:
        self.path, self.about, self.problems = path, about, problems
        self.value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self.wrong("", f"must be an object, not {_name(value)}")

    # --- problems

    def at(self, field: str) -> str:
        return f"{self.path}.{field}" if field and self.path else field or self.path

    def wrong(self, field: str, message: str, reason: ObjectReason = ObjectReason.INVALID) -> None:
        kind, name, origin = self.about
        self.problems.append(Problem(kind, name, self.at(field), message, reason, Severity.ERROR, origin))

    def warn(self, field: str, message: str) -> None:
        kind, name, origin = self.about
        severity = Severity.WARNING
        self.problems.append(Problem(kind, name, self.at(field), message, ObjectReason.INVALID, severity, origin))

    # --- fields

    def has(self, field: str) -> bool:
        return self.value.get(field) is not None

    def sub(self, field: str) -> "Reader":
        """The mapping in that field; an absent one is empty."""
        found = self.value.get(field)
        return Reader({} if found is None else found, self.at(field), self.about, self.problems)

    def text(self, field: str, default: str = "") -> str:
        found = self.value.get(field)
        if found is None or isinstance(found, str):
            return default if found is None else found
        self.wrong(field, f"must be text, not {_name(found)}")
        return default

    def flag(self, field: str, default: bool) -> bool:
        found = self.value.get(field)
        if found is None or isinstance(found, bool):
            return default if found is None else found
        self.wrong(field, f"must be true or false, not {_name(found)}")
        return default

    def number(self, field: str, low: int, high: int) -> int | None:
        """A whole number of `low`..`high`, or None when absent or refused."""
        found = self.value.get(field)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int):
            self.wrong(field, f"must be a whole number, not {_number_name(found)}")
            return None
        if not low <= found <= high:
            self.wrong(field, f"{found} is not between {low} and {high}")
            return None
        return found

    def items(self, field: str) -> list[Any]:
        found = self.value.get(field)
        if found is None or isinstance(found, list):
            return found or []
        self.wrong(field, f"must be a list, not {_name(found)}")
        return []

    def texts(self, field: str) -> list[str]:
        """A list of texts without duplicates; a duplicate is a problem."""
        kept: list[str] = []
        for index, item in enumerate(self.items(field)):
            if not isinstance(item, str):
                self.wrong(f"{field}[{index}]", f"must be text, not {_name(item)}")
            elif item in kept:
                self.wrong(f"{field}[{index}]", f"{item!r} stands twice in the list; remove one")
            else:
                kept.append(item)
        return kept

    def subs(self, field: str) -> Iterator["Reader"]:
        for index, item in enumerate(self.items(field)):
            yield Reader(item, self.at(f"{field}[{index}]"), self.about, self.problems)

    def address(self, field: str, *, zone: bool = False) -> Address | None:
        """An address; `zone`: the zone of a link-local one may follow a `%`."""
        text = self.text(field)
        if not text:
            return None
        try:
            if zone and "%" in text:
                return ipaddress.IPv6Address(text)
            return parse_address(text)
        except ValueError as error:
            self.wrong(field, str(error))
            return None

    def seconds(self, field: str) -> float | None:
        """A Go duration ("90s", "1m30s") in seconds."""
        found = self.value.get(field)
        if found is None:
            return None
        text = str(found) if isinstance(found, str | int) else ""
        parts = _DURATION.findall(text)
        if text == "0":
            return 0.0
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.wrong(field, f"{found!r} is not a duration; write for example 90s or 1m30s")
            return None
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)

    # --- selectors

    def selectors(self, field: str) -> tuple[LabelSelector, ...]:
        kept: list[LabelSelector] = []
        for reader in self.subs(field):
            selector = reader.selector()
            if selector is None:
                continue
            if selector in kept:
                reader.wrong("", "this selector stands twice in the list; remove one")
            else:
                kept.append(selector)
        return tuple(kept)

    def selector(self) -> LabelSelector | None:
        """This mapping as metav1.LabelSelector; None when it cannot be used."""
        before = len(self.problems)
        labels = self.sub("matchLabels")
        requirements = [
            Requirement(key, Operator.IN, frozenset({labels.text(key)})) for key in sorted(labels.value, key=str)
        ]
        for reader in self.subs("matchExpressions"):
            requirement = reader._requirement()
            if requirement is not None:
                requirements.append(requirement)
        return LabelSelector(tuple(requirements)) if len(self.problems) == before else None

    def _requirement(self) -> Requirement | None:
        key, word, values = self.text("key"), self.text("operator"), self.texts("values")
        if not key:
            self.wrong("key", "is missing; name the label")
            return None
        if word not in list(Operator):
            self.wrong("operator", f"{word!r} is none of In, NotIn, Exists, DoesNotExist")
            return None
        operator = Operator(word)
        if operator in (Operator.IN, Operator.NOT_IN) and not values:
            self.wrong("values", f"operator {operator} needs at least one value")
            return None
        if operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and values:
            self.wrong("values", f"operator {operator} takes no values; remove them")
            return None
        return Requirement(key, operator, frozenset(values))


def _name(value: object) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _number_name(value: object) -> str:
    return "a fraction" if isinstance(value, float) else _name(value)

"""What a Service says about its own BGP routes by annotation, and what of it an advertisement lets it say.

An annotation that the advertisement allows replaces its MED and prepending and adds to its communities. One that it
does not allow is left aside, and a note says so. One that cannot be read keeps the Service from being announced: a
route without the community that was to keep it inside could go anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lb_controller.model import names
from lb_controller.model.cluster import Service
from lb_controller.model.config import BGPAdvertisement, ServiceAttribute
from lb_controller.model.parse.advertisements import LARGEST, MOST_PREPENDED, community_problem
from lb_controller.model.reasons import OmissionReason
from speaker.decide.facts import Omission

_KEYS = {
    ServiceAttribute.MED: names.ANNOTATION_BGP_MED,
    ServiceAttribute.PREPEND: names.ANNOTATION_BGP_PREPEND,
    ServiceAttribute.COMMUNITIES: names.ANNOTATION_BGP_COMMUNITIES,
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the annotations of one Service say."""

    med: int | None = None
    prepend: int | None = None
    communities: frozenset[str] = frozenset()

    @property
    def said(self) -> frozenset[ServiceAttribute]:
        found = {
            ServiceAttribute.MED: self.med is not None,
            ServiceAttribute.PREPEND: self.prepend is not None,
            ServiceAttribute.COMMUNITIES: bool(self.communities),
        }
        return frozenset(name for name, given in found.items() if given)

    def applied(self, ad: BGPAdvertisement) -> BGPAdvertisement:
        """The advertisement as it holds for this Service."""
        allowed = self.said & ad.service_annotations
        if not allowed:
            return ad
        return replace(
            ad,
            med=self.med if ServiceAttribute.MED in allowed else ad.med,
            as_path_prepend=self.prepend or 0 if ServiceAttribute.PREPEND in allowed else ad.as_path_prepend,
            communities=ad.communities | (self.communities if ServiceAttribute.COMMUNITIES in allowed else frozenset()),
        )

    def note(self, ad: BGPAdvertisement) -> str:
        """A sentence about what the advertisement does not allow, or nothing."""
        refused = sorted(_KEYS[name] for name in self.said - ad.service_annotations)
        if not refused:
            return ""
        return f"{', '.join(refused)} is not used: BGPAdvertisement {ad.name} does not allow it (serviceAnnotations)"


def wishes_of(service: Service, aliases: Mapping[str, str]) -> Wishes | Omission:
    """Read the annotations of a Service. `aliases`: those that Community objects define."""
    found = {name: service.annotations.get(key, "").strip() for name, key in _KEYS.items()}
    if not any(found.values()):
        return Wishes()
    try:
        return Wishes(
            med=_number(found[ServiceAttribute.MED], ServiceAttribute.MED, 0, LARGEST),
            prepend=_number(found[ServiceAttribute.PREPEND], ServiceAttribute.PREPEND, 0, MOST_PREPENDED),
            communities=_communities(found[ServiceAttribute.COMMUNITIES], aliases),
        )
    except ValueError as error:
        return Omission(OmissionReason.BAD_ANNOTATION, f"Service {service.key}: {error}")


def _number(text: str, name: ServiceAttribute, low: int, high: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not low <= int(text) <= high:
        raise ValueError(f"annotation {_KEYS[name]} is {text[:40]!r}; write a whole number from {low} to {high}")
    return int(text)


def _communities(text: str, aliases: Mapping[str, str]) -> frozenset[str]:
    kept = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        value = aliases.get(part, part)
        if wrong := community_problem(value):
            raise ValueError(
                f"annotation {names.ANNOTATION_BGP_COMMUNITIES}: {wrong}, or an alias of a Community object"
            )
        kept.add(value)
    return frozenset(kept)

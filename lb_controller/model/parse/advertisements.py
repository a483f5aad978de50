"""BGPAdvertisement and Community, and the texts of communities, which annotations of Services hold too."""

import re
from collections.abc import Mapping

from lb_controller.model.config import BGPAdvertisement, ServiceAttribute
from lb_controller.model.parse.objects import RawObject, selection
from lb_controller.model.parse.problems import Problem
from lb_controller.model.parse.reader import Reader
from lb_controller.model.reasons import ObjectReason

LARGEST = 2**32 - 1
MOST_PREPENDED = 10
_STANDARD = re.compile(r"[0-9]{1,5}:[0-9]{1,5}")
_LARGE = re.compile(r"large:[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}")
_EXTENDED = re.compile(r"(target|origin):[0-9]{1,10}:[0-9]{1,10}")


def bgp_advertisement(raw: RawObject, aliases: Mapping[str, str], problems: list[Problem]) -> BGPAdvertisement | None:
    """A BGPAdvertisement with its community aliases resolved, or None when a field cannot be used."""
    before = len(problems)
    spec = raw.reader(problems)
    v4, v6 = spec.number("aggregationLength", 1, 32), spec.number("aggregationLengthV6", 1, 128)
    found = BGPAdvertisement(
        name=raw.name,
        pools=selection(spec),
        aggregation_length=32 if v4 is None else v4,
        aggregation_length_v6=128 if v6 is None else v6,
        local_pref=spec.number("localPref", 0, LARGEST),
        communities=frozenset(_communities(spec, aliases)),
        node_selectors=spec.selectors("nodeSelectors"),
        service_selectors=spec.selectors("serviceSelectors"),
        peers=frozenset(spec.texts("peers")),
        as_path_prepend=spec.number("asPathPrepend", 1, MOST_PREPENDED) or 0,
        med=spec.number("med", 0, LARGEST),
        extended_communities=frozenset(_extended(spec)),
        link_bandwidth=spec.number("linkBandwidthPerEndpoint", 1, 1_000_000),
        service_annotations=_allowed(spec),
        origin=raw.origin,
    )
    if found.service_selectors and (found.aggregation_length, found.aggregation_length_v6) != (32, 128):
        spec.wrong("serviceSelectors", "cannot stand beside an aggregation length; an aggregate is for whole pools")
    return found if len(problems) == before else None


def _allowed(spec: Reader) -> frozenset[ServiceAttribute]:
    found = set()
    for index, text in enumerate(spec.texts("serviceAnnotations")):
        if text in list(ServiceAttribute):
            found.add(ServiceAttribute(text))
        else:
            spec.wrong(f"serviceAnnotations[{index}]", f"{text!r} is none of {', '.join(ServiceAttribute)}")
    return frozenset(found)


def _extended(spec: Reader) -> list[str]:
    kept = []
    for index, text in enumerate(spec.texts("extendedCommunities")):
        if wrong := extended_community_problem(text):
            spec.wrong(f"extendedCommunities[{index}]", wrong)
        else:
            kept.append(text)
    return kept


def _communities(spec: Reader, aliases: Mapping[str, str]) -> list[str]:
    kept = []
    for index, text in enumerate(spec.texts("communities")):
        value = aliases.get(text, text)
        if wrong := community_problem(value):
            field = f"communities[{index}]"
            if ":" in text:
                spec.wrong(field, wrong)
            else:
                cure = "create one that defines it, or write 65000:1 or large:65000:1:2"
                message = f"no Community object defines the alias {text!r}; {cure}"
                spec.wrong(field, message, ObjectReason.REFERENCE_NOT_FOUND)
        else:
            kept.append(value)
    return kept


def community_problem(value: str) -> str | None:
    """Why the text is no community value, or None: `A:B` (two 16-bit numbers) or `large:A:B:C` (three of 32 bits)."""
    if _STANDARD.fullmatch(value):
        if all(int(part) <= 0xFFFF for part in value.split(":")):
            return None
        return f"{value!r} has a number above 65535"
    if _LARGE.fullmatch(value):
        if all(int(part) <= LARGEST for part in value.split(":")[1:]):
            return None
        return f"{value!r} has a number above {LARGEST}"
    return f"{value!r} is not a community; write 65000:1 or large:65000:1:2"


def extended_community_problem(value: str) -> str | None:
    """Why the text is no extended community, or None: `target:A:B` or `origin:A:B` (RFC 4360, RFC 5668)."""
    if not _EXTENDED.fullmatch(value):
        return f"{value!r} is not an extended community; write target:65000:1 or origin:65000:1"
    asn, number = (int(part) for part in value.split(":")[1:])
    most = LARGEST if asn <= 0xFFFF else 0xFFFF
    if asn > LARGEST or number > most:
        return f"{value!r} has a number above {LARGEST if asn > LARGEST else most}"
    return None


def community_aliases(raw: RawObject, problems: list[Problem]) -> dict[str, str]:
    """The aliases of one Community object; bad entries are left out."""
    aliases: dict[str, str] = {}
    for reader in raw.reader(problems).subs("communities"):
        name, value = reader.text("name"), reader.text("value")
        if not name:
            reader.wrong("name", "is missing; name the alias")
        elif wrong := community_problem(value):
            reader.wrong("value", wrong)
        elif name in aliases:
            reader.wrong("name", f"the alias {name!r} stands twice; remove one")
        else:
            aliases[name] = value
    return aliases

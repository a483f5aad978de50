"""Whether a change of one of our custom resources is let in. Pure: what is known is an argument.

The rules are those of `parse_config`, asked twice: without the change and with it. What the change brings is judged,
never what was wrong before, so an object from before the webhook can still be labelled, mended or deleted.

    new error of the object itself, or of another  -> denied, with the sentences of `parse`
    a name that leads nowhere (yet)                -> warning: manifests arrive in any order
    deletion                                       -> never denied; a warning where something is in use
    a pool or advertisement that looks wrong       -> warning (see `model.parse.lint`)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique

from lb_controller.model import names
from lb_controller.model.address import Address
from lb_controller.model.config import Config
from lb_controller.model.parse.config import parse_config
from lb_controller.model.parse.lint import Facts, lint
from lb_controller.model.parse.objects import RawObject
from lb_controller.model.parse.problems import Problem, Severity
from lb_controller.model.reasons import ObjectReason

_LONGEST_WARNING = 250  # the API server cuts longer ones
_MOST_WARNINGS = 10
_MOST_SENTENCES = 5


@unique
class Operation(StrEnum):
    """What is asked of the API server, in its words."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Request:
    """The change of one object: `old` is None for CREATE, `new` for DELETE."""

    operation: Operation
    old: RawObject | None
    new: RawObject | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known: all custom resources, the addresses that Services hold, what the cluster uses itself."""

    objects: tuple[RawObject, ...] = ()
    held: Iterable[Address] = ()
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Let in when `denial` is empty; warnings are for whoever asked."""

    denial: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        return not self.denial


def unjudged(why: str) -> Verdict:
    """Let in without a look: what cannot be judged must not be held up. `parse` judges every object later anyhow."""
    return Verdict(warnings=(f"HeraldLB did not check this: {why}; see the object's condition Accepted",))


def review(request: Request, known: Known) -> Verdict:
    """The judgement about one change."""
    about = request.new or request.old
    assert about is not None
    if request.operation is Operation.UPDATE and not _matters(request):
        return Verdict()
    others = [raw for raw in known.objects if _place(raw) != _place(about)]
    before = _judge(others, request.old, known.facts)
    after = _judge(others, _youngest(about) if request.operation is Operation.CREATE else request.new, known.facts)
    news = [problem for problem in after.problems if problem not in before.all]
    if request.operation is Operation.DELETE:
        return Verdict(warnings=_texts([*_in_use(about, before.config, known), *map(_lost, news)]))
    errors = [problem for problem in news if problem.severity is Severity.ERROR and not _may_come_later(problem)]
    if errors:
        sentences = [_sentence(problem, about) for problem in errors[:_MOST_SENTENCES]]
        return Verdict(denial="; ".join(sentences))
    own = [problem for problem in after.problems if _concerns(problem, about)]
    told = own + [problem for problem in news if problem not in own]
    return Verdict(warnings=_texts(_sentence(problem, about) for problem in told))


@dataclass(frozen=True, slots=True)
class _Judgement:
    config: Config
    problems: tuple[Problem, ...]
    all: frozenset[Problem]


def _judge(others: list[RawObject], one: RawObject | None, facts: Facts) -> _Judgement:
    config, problems = parse_config(others if one is None else [*others, one])
    whole = (*problems, *lint(config, facts))
    return _Judgement(config, whole, frozenset(whole))


def _youngest(raw: RawObject) -> RawObject:
    """A new object is younger than all others, also than those of the same second."""
    metadata = raw.body.get("metadata")
    told = dict(metadata) if isinstance(metadata, Mapping) else {}
    return replace(raw, body={**raw.body, "metadata": {**told, "creationTimestamp": "9999-12-31T23:59:59Z"}})


def _matters(request: Request) -> bool:
    """Whether spec or labels change; and nothing may hold up the end of an object that is being deleted."""
    assert request.old is not None
    assert request.new is not None
    metadata = request.new.body.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("deletionTimestamp"):
        return False
    same = request.old.body.get("spec") == request.new.body.get("spec")
    return not same or request.old.labels() != request.new.labels()


def _may_come_later(problem: Problem) -> bool:
    return problem.reason is ObjectReason.REFERENCE_NOT_FOUND


def _in_use(raw: RawObject, config: Config, known: Known) -> list[str]:
    """Whether Services hold addresses of a pool that is to be deleted."""
    if raw.kind != names.KIND_IP_ADDRESS_POOL:
        return []
    pools = [pool for pool in config.pools if (pool.name, pool.origin) == (raw.name, raw.origin)]
    held = {address for address in known.held for pool in pools if address in pool}
    if not held:
        return []
    lowest = min(held, key=lambda address: (address.version, int(address)))
    count = f"{len(held)} addresses, such as {lowest}," if len(held) > 1 else f"the address {lowest}"
    return [f"Services hold {count} of {raw.kind} {raw.name} and keep them; no other Service gets one any more"]


def _lost(problem: Problem) -> str:
    return f"without it: {problem}"


def _concerns(problem: Problem, raw: RawObject) -> bool:
    return (problem.kind, problem.name, problem.origin) == _place(raw)


def _place(raw: RawObject) -> tuple[str, str, str]:
    return (raw.kind, raw.name, raw.origin)


def _sentence(problem: Problem, about: RawObject) -> str:
    if not _concerns(problem, about):
        return f"with it, {problem}"
    return f"{problem.field}: {problem.message}" if problem.field else problem.message


def _texts(sentences: Iterable[str]) -> tuple[str, ...]:
    kept: Sequence[str] = list(dict.fromkeys(sentences))
    cut = [text if len(text) <= _LONGEST_WARNING else f"{text[: _LONGEST_WARNING - 3]}..." for text in kept]
    more = len(cut) - _MOST_WARNINGS
    return tuple(cut) if more <= 0 else (*cut[: _MOST_WARNINGS - 1], f"and {more + 1} more warnings")

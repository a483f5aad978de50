"""Settings of a process: one frozen dataclass, read once from flags and environment, documented where it is declared.

Every field `foo_bar` is the flag `--foo-bar` and the variable `HERALDLB_FOO_BAR`; the flag wins, then the variable,
then the variables of `fallbacks`, then the default. An empty variable counts as unset. An unknown flag, an unknown
variable of our prefix or a bad value is one line on stderr that names it, and exit status 2: a typing error never runs
silently. Kubernetes puts variables such as HERALDLB_WEBHOOK_SERVICE_HOST into pods (service links); those are ignored.
"""

import argparse
import dataclasses
import enum
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lb_controller.runtime import version

PREFIX = "HERALDLB_"
_KEY = "heraldlb.setting"
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")

T = TypeVar("T")


@enum.unique
class Coexistence(enum.StrEnum):
    """What to do where another load balancer runs: a setting of controller and speaker."""

    AUTO = "auto"
    IGNORE = "ignore"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Declaration:
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as the documentation shows it; `default` is its text: "" for none, "required" without one."""

    flag: str
    variable: str
    type: str
    default: str
    help: str


def setting(  # noqa: PLR0913 - the declaration of a setting is one table row, all by keyword
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    required: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str] = (),
    fallbacks: Iterable[str] = (),
    parse: Callable[[str], Any] | None = None,
) -> Any:
    """Declare a field of a settings class.

    Types: str, int, float, bool, Path, a StrEnum, tuple[str, ...] (comma-separated), each also `| None`; for others
    `parse` turns the text into the value and raises ValueError with a sentence. `minimum` and `maximum` are inclusive.
    `fallbacks` are variables outside our prefix, such as KUBECONFIG. `required` means no default.
    """
    if required == (default is not dataclasses.MISSING):
        raise TypeError("a setting has either a default or required=True")
    declaration = _Declaration(
        help=help, minimum=minimum, maximum=maximum, choices=tuple(choices), fallbacks=tuple(fallbacks), parse=parse
    )
    if required:
        return dataclasses.field(metadata={_KEY: declaration})
    return dataclasses.field(default=default, metadata={_KEY: declaration})


def read(cls: type[T], argv: Sequence[str], environ: Mapping[str, str], *, prog: str) -> T:
    """The settings that `argv` (without the program's name) and `environ` give.

    Prints and leaves with status 0 for `--help` and `--version`; with one line and status 2 for anything wrong.
    """
    settings = _declared(cls)
    flags = vars(_parser(cls, settings, prog).parse_args(list(argv)))
    try:
        _refuse_unknown_variables(environ, {entry.variable for entry in settings})
        values = {}
        for entry in settings:
            found = _find(entry, flags, environ)
            if found is not None:
                values[entry.name] = entry.value(*found)
            elif entry.required:
                raise _Refused(f"{entry.flag} (or {entry.variable}) is required")
        return cls(**values)
    except ValueError as error:
        _fail(prog, str(error))


def describe(cls: type[Any]) -> list[SettingDoc]:
    """All settings of a class, in the order of declaration: for the documentation and its test."""
    return [
        SettingDoc(entry.flag, entry.variable, entry.type_name, entry.default_text, entry.declaration.help)
        for entry in _declared(cls)
    ]


class _Refused(ValueError):
    """A sentence for the user, naming the flag or variable."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    type: Any
    optional: bool
    default: Any
    declaration: _Declaration

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def choices(self) -> tuple[str, ...]:
        if isinstance(self.type, type) and issubclass(self.type, enum.StrEnum):
            return tuple(member.value for member in self.type)
        return self.declaration.choices

    @property
    def type_name(self) -> str:
        if self.choices:
            return "|".join(self.choices)
        if self.type == tuple[str, ...]:
            return "list"
        names = {int: "integer", float: "number", bool: "true|false", str: "text", Path: "path"}
        return names.get(self.type, "text")

    @property
    def default_text(self) -> str:
        match self.default:
            case dataclasses.MISSING:
                return "required"
            case None:
                return ""
            case bool():
                return str(self.default).lower()
            case tuple():
                return ",".join(self.default)
            case _:
                return str(self.default)

    def value(self, source: str, text: str) -> Any:
        """The typed value of `text`. Raises _Refused that names `source`, a flag or a variable."""
        if self.optional and text == "":
            return None
        if self.choices and text not in self.choices:
            raise _Refused(f"{source}: {text!r} is none of {', '.join(self.choices)}")
        try:
            value = (self.declaration.parse or _CONVERTERS.get(self.type, self.type))(text)
        except ValueError as error:
            raise _Refused(f"{source}: {error}") from None
        self._check_bounds(source, value)
        return value

    def _check_bounds(self, source: str, value: Any) -> None:
        minimum, maximum = self.declaration.minimum, self.declaration.maximum
        if minimum is not None and value < minimum:
            raise _Refused(f"{source}: {value} is less than {minimum}")
        if maximum is not None and value > maximum:
            raise _Refused(f"{source}: {value} is more than {maximum}")


def _integer(text: str) -> int:
    try:
        return int(text, 10)
    except ValueError:
        raise ValueError(f"{text!r} is not an integer") from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _truth(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r} is neither true nor false")
    return words[text.lower()]


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    int: _integer,
    float: _number,
    bool: _truth,
    tuple[str, ...]: _items,
}


def _declared(cls: type[Any]) -> list[_Entry]:
    hints = typing.get_type_hints(cls)
    entries = []
    for field in dataclasses.fields(cls):
        kind, optional = _without_none(hints[field.name])
        entries.append(_Entry(field.name, kind, optional, field.default, field.metadata[_KEY]))
    return entries


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint, False
    members = [member for member in typing.get_args(hint) if member is not types.NoneType]
    return (members[0] if len(members) == 1 else hint), len(members) < len(typing.get_args(hint))


class _Parser(argparse.ArgumentParser):
    """argparse with one line instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        _fail(self.prog, message)


def _parser(cls: type[Any], entries: list[_Entry], prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description=(cls.__doc__ or "").strip().splitlines()[0].replace("%", "%%"),
        epilog=f"Each flag --foo-bar may be given as variable {PREFIX}FOO_BAR; flags win over variables.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version.describe(prog), help="say which version this is")
    for entry in entries:
        default = entry.default_text if entry.required else f"default: {entry.default_text or 'none'}"
        text = f"{entry.declaration.help} [{default}]".replace("%", "%%")
        extra: dict[str, Any] = {"nargs": "?", "const": "true"} if entry.type is bool else {}
        parser.add_argument(entry.flag, dest=entry.name, metavar=entry.type_name.upper(), help=text, **extra)
    return parser


def _find(entry: _Entry, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[str, str] | None:
    given = flags[entry.name]
    if given is not None:
        return entry.flag, given
    for variable in (entry.variable, *entry.declaration.fallbacks):
        if environ.get(variable):
            return variable, environ[variable]
    return None


def _refuse_unknown_variables(environ: Mapping[str, str], known: set[str]) -> None:
    ours = (name for name in environ if name.startswith(PREFIX))
    unknown = sorted(name for name in ours if name not in known and not _SERVICE_LINK.search(name))
    if unknown:
        raise _Refused(f"unknown variable {', '.join(unknown)}; --help lists the settings")


def _fail(prog: str, message: str) -> NoReturn:
    print(f"{prog}: error: {message}", file=sys.stderr)
    raise SystemExit(2)

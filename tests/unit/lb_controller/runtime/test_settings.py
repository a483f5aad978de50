"""Settings from flags and variables: precedence, types, and one line for everything wrong."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from lb_controller.runtime.settings import describe, read, setting


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a test."""

    name: str = setting(help="a name", required=True, fallbacks=("POD_NAME",))
    port: int = setting(80, help="a port", minimum=0, maximum=65535)
    wait: float = setting(1.5, help="seconds")
    loud: bool = setting(False, help="loudness")
    colour: Colour = setting(Colour.RED, help="a colour")
    file: Path | None = setting(None, help="a file, 100% optional", fallbacks=("KUBECONFIG",))
    words: tuple[str, ...] = setting((), help="words")

    def __post_init__(self) -> None:
        if self.port == 13:
            raise ValueError("--port: 13 brings bad luck")


def parse(argv: list[str], environ: dict[str, str] | None = None) -> Settings:
    return read(Settings, argv, environ or {}, prog="test")


GOOD = [
    (["--name=a"], {}, "port", 80),
    (["--name", "a", "--port", "81"], {}, "port", 81),
    (["--name=a", "--port=81"], {"HERALDLB_PORT": "82"}, "port", 81),
    (["--name=a"], {"HERALDLB_PORT": "82"}, "port", 82),
    (["--name=a"], {"HERALDLB_PORT": ""}, "port", 80),
    (["--name=a", "--port=81", "--port=83"], {}, "port", 83),
    ([], {"POD_NAME": "pod"}, "name", "pod"),
    ([], {"POD_NAME": "pod", "HERALDLB_NAME": "own"}, "name", "own"),
    (["--name=a", "--wait=0.25"], {}, "wait", 0.25),
    (["--name=a", "--loud"], {}, "loud", True),
    (["--name=a", "--loud=false"], {"HERALDLB_LOUD": "true"}, "loud", False),
    (["--name=a"], {"HERALDLB_LOUD": "1"}, "loud", True),
    (["--name=a", "--colour=blue"], {}, "colour", Colour.BLUE),
    (["--name=a", "--file=/x"], {}, "file", Path("/x")),
    (["--name=a"], {"KUBECONFIG": "/k"}, "file", Path("/k")),
    (["--name=a", "--words= x, y ,"], {}, "words", ("x", "y")),
    (["--name=a"], {"HERALDLB_WEBHOOK_SERVICE_HOST": "10.0.0.1", "HERALDLB_WEBHOOK_PORT_443_TCP": "x"}, "port", 80),
    (["--name=a"], {"HERALD_LAB_CACHE": "/x", "PATH": "/bin"}, "port", 80),
]


@pytest.mark.parametrize(("argv", "environ", "field", "value"), GOOD)
def test_a_value_comes_from_flag_then_variable_then_fallback_then_default(
    argv: list[str], environ: dict[str, str], field: str, value: object
) -> None:
    assert getattr(parse(argv, environ), field) == value


BAD = [
    ([], {}, "--name (or HERALDLB_NAME) is required"),
    (["--name=a", "--bogus=1"], {}, "unrecognized arguments: --bogus=1"),
    (["--name=a", "--po=1"], {}, "unrecognized arguments: --po=1"),
    (["--name=a", "stray"], {}, "unrecognized arguments: stray"),
    (["--name=a", "--port"], {}, "argument --port: expected one argument"),
    (["--name=a", "--port=http"], {}, "--port: 'http' is not an integer"),
    (["--name=a", "--port=65536"], {}, "--port: 65536 is more than 65535"),
    (["--name=a", "--port=-1"], {}, "--port: -1 is less than 0"),
    (["--name=a", "--wait=nan"], {}, "--wait: 'nan' is not a finite number"),
    (["--name=a", "--loud=perhaps"], {}, "--loud: 'perhaps' is neither true nor false"),
    (["--name=a", "--colour=green"], {}, "--colour: 'green' is none of red, blue"),
    (["--name=a", "--port=13"], {}, "--port: 13 brings bad luck"),
    (["--name=a"], {"HERALDLB_PORT": "http"}, "HERALDLB_PORT: 'http' is not an integer"),
    (["--name=a"], {"HERALDLB_PROT": "1"}, "unknown variable HERALDLB_PROT; --help lists the settings"),
]


@pytest.mark.parametrize(("argv", "environ", "message"), BAD)
def test_anything_wrong_is_one_line_that_names_it(
    argv: list[str], environ: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(argv, environ)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"test: error: {message}\n"


def test_help_names_every_flag_and_its_default_and_leaves_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for doc in describe(Settings):
        assert doc.flag in text
    assert "default: 80" in text
    assert "100% optional" in text
    assert "HERALDLB_FOO_BAR" in text


def test_the_description_has_a_row_for_each_setting() -> None:
    rows = {doc.flag: (doc.variable, doc.type, doc.default) for doc in describe(Settings)}
    assert rows == {
        "--name": ("HERALDLB_NAME", "text", "required"),
        "--port": ("HERALDLB_PORT", "integer", "80"),
        "--wait": ("HERALDLB_WAIT", "number", "1.5"),
        "--loud": ("HERALDLB_LOUD", "true|false", "false"),
        "--colour": ("HERALDLB_COLOUR", "red|blue", "red"),
        "--file": ("HERALDLB_FILE", "path", ""),
        "--words": ("HERALDLB_WORDS", "list", ""),
    }


def test_a_setting_is_either_required_or_has_a_default() -> None:
    with pytest.raises(TypeError):
        setting(1, help="both", required=True)
    with pytest.raises(TypeError):
        setting(help="neither")

"""The tutorials, one after the other, as a newcomer types them: every command in one shell, and what the text promises.

The lab has a name of its own, as others may run beside it: `make lab-up` and `lab-down` become what they stand for.
"""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest

from tests.lab.lab import Lab
from tests.lab.wait import eventually
from tests.support.documented import ROOT, commands

pytestmark = [pytest.mark.e2e, pytest.mark.nodes]
NAME = f"t{os.getpid()}"
WITHIN = 40.0  # seconds until a command shows what the text says; a reader looks again too
ON_MAKE = {
    "make lab-up": f".venv/bin/python -m tests.lab --name {NAME} up --router",
    "make lab-down": f".venv/bin/python -m tests.lab --name {NAME} down",
}
# What the text promises below some of the commands, in the page's order.
THREE_HOPS = r"(?s)(?:192\.168\.77\.1[123]\b.*){3}"
ONE_HOP = r"(?s)\A(?!(?:.*192\.168\.77\.1[123]\b){2}).*192\.168\.77\.1[123]\b"
ONE_ANSWER = r"(?s)\A(?!(?:.*bytes from ){2}).*bytes from (?:\w\w:){5}\w\w"
PROMISED = {
    "first-address.md": [
        ("lab kubectl get nodes", r"(?s)node1 .*node2 .*node3 "),
        ("lab kubectl get pods", r"(?s)(?:controller-.*){2}(?:speaker-\S+ +3/3.*){3}"),
        ("lab kubectl get service web", r" 192\.168\.77\.200 "),
        ("lab exec cli arping", ONE_ANSWER),
        ("lab exec cli curl", r"(?m)^web-\S+ \S+$"),
        ("lab vtysh 'show ip route 192.168.200.1'", THREE_HOPS),
        ("lab exec ext curl", r"(?m)^web-\S+ 192\.168\.\S+$"),
        ("lab exec cli arping", ONE_ANSWER),
        ("lab exec cli arping", "bytes from "),
    ],
    "first-bgp-peer.md": [
        ("lab vtysh 'show running-config bgpd'", r"(?s)bgp listen range.*maximum-paths 16"),
        ("lab vtysh 'show bgp summary'", THREE_HOPS),
        ("lab kubectl -n heraldlb-system logs", "bgp_session_up"),
        ("lab kubectl get bgpnodestatuses", r"(?s)(?:node[123]\b.*){3}"),
        ("lab kubectl get service web-routed", r" 192\.168\.200\.1 "),
        ("lab vtysh 'show ip route 192.168.200.1'", THREE_HOPS),
        ("lab exec ext curl", r"(?m)^web-\S+ \S+$"),
        ("lab vtysh 'show ip route 192.168.200.1'", ONE_HOP),
        ("lab exec ext curl", r"(?m)^web-\S+ 192\.168\.88\.50$"),
    ],
}


class Terminal:
    """One shell in the checkout, in which one command after the other is typed."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.terminate()
        self._shell.communicate(timeout=10)

    def type(self, command: str, timeout: float = 400) -> tuple[int, str]:
        """Its status and what it printed; the shell is ended when that takes too long."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        late = threading.Timer(timeout, self._shell.kill)
        late.start()
        try:
            self._shell.stdin.write(f"{{ {command}\n}} </dev/null; echo; echo ended $?\n")
            self._shell.stdin.flush()
            lines: list[str] = []
            for line in self._shell.stdout:
                if ended := re.fullmatch(r"ended (\d+)\n", line):
                    return int(ended[1]), "".join(lines)
                lines.append(line)
        finally:
            late.cancel()
        raise AssertionError(f"the shell ended in {command!r}: {''.join(lines)[-2000:]}")


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    try:
        with Terminal() as terminal:
            yield terminal
    finally:
        Lab(NAME).down()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PROMISED)
def test_every_command_of_the_tutorial_works_and_shows_what_the_text_says(terminal: Terminal, page: str) -> None:
    typed = [found.text for found in commands() if found.page.endswith(f"tutorials/{page}")]
    assert typed[0] == "make lab-up"
    assert typed[-1] == "make lab-down"
    promises, begin = list(PROMISED[page]), time.monotonic()
    for command in typed:
        real = ON_MAKE.get(command, command.replace("tests.lab ", f"tests.lab --name {NAME} "))
        works(terminal, real, promises.pop(0)[1] if promises and command.startswith(promises[0][0]) else "")
    print(f"{page}: {len(typed)} commands in {time.monotonic() - begin:.0f} s")
    assert promises == [], "a command with a promise is not on the page, or not in this order"


def works(terminal: Terminal, command: str, promise: str) -> None:
    """Type it, again and again if the text promises something that comes by itself."""
    last = (0, "")

    def shows() -> bool:
        nonlocal last
        last = terminal.type(command)
        return last[0] == 0 and re.search(promise, last[1]) is not None

    if not promise:
        assert terminal.type(command)[0] == 0, command
        return
    try:
        eventually(shows, within=WITHIN, what=f"{promise} in the answer to {command}", every=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}; the last answer: {last}") from error

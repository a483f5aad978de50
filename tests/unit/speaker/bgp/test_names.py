"""Neither the validation nor the daemon asks the DNS: it may be the very thing that is down."""

import subprocess
import sys
from pathlib import Path

from speaker.bgp.configuration import configuration
from tests.unit.speaker.bgp.samples import session
from tests.unit.speaker.bgp.test_validation import BRIDGE

ASKED = "asked the DNS"
# A resolver that says so when it is asked, and then whatever the process would do.
WATCHED = f"""
import socket, sys
def asked(*_):
    print("{ASKED}", flush=True)
    raise OSError("nobody answers")
socket.gethostbyaddr = socket.getaddrinfo = asked
"""
VALIDATE = "from speaker.bgp import validate; sys.exit(validate.main(sys.argv[1]))"
DAEMON = "import os; from speaker.bgp import daemon; sys.exit(daemon.main(sys.argv[1], os.getppid()))"
PLAIN = "import exabgp.reactor.loop"


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WATCHED + program, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_plain_exabgp_asks_the_dns_while_it_is_imported() -> None:
    assert ASKED in run(PLAIN).stdout


def test_the_validation_does_not_ask(tmp_path: Path) -> None:
    file = tmp_path / "one.conf"
    file.write_text(configuration((session("plain", "192.0.2.1"),), BRIDGE))
    result = run(VALIDATE, str(file))
    assert (result.returncode, ASKED in result.stdout) == (0, False), result.stderr


def test_the_daemon_does_not_ask(tmp_path: Path) -> None:
    result = run(DAEMON, str(tmp_path / "absent.conf"))
    assert result.returncode != 0
    assert ASKED not in result.stdout
    assert "could not load" in result.stderr, "it came as far as reading its configuration"

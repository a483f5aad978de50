"""The cures, on ExaBGP's own classes: each test fails on a plain ExaBGP 5.0.15."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

# In a process of its own: the cures change ExaBGP for good.
PROGRAM = """
import json, sys
from exabgp.environment import getenv
from exabgp.logger import log
env = getenv(); env.log.enable = False; log.init(env)
from exabgp.configuration.configuration import Configuration
from exabgp.bgp.message import Action
from exabgp.rib.outgoing import OutgoingRIB
from exabgp.reactor.api import API
from exabgp.reactor.loop import Reactor
from exabgp.reactor.delay import Delay
from speaker.bgp import cures
if "plain" not in sys.argv:
    cures.apply()

def changes(line):
    return API(None).api_attributes("announce attributes " + line, [])

def table(*steps):
    out = OutgoingRIB(True, FAMILIES)
    for action, line in steps:
        for change in changes(line):
            change.nlri.action = Action.ANNOUNCE if action == "announce" else Action.WITHDRAW
            out.add_to_rib(change)
    return list(out.updates(True))

def rib(*steps):
    last = {}
    for update in table(*steps):
        for nlri in update.nlris:
            said = "withdrawn" if nlri.action == Action.WITHDRAW else str(update.attributes).strip()
            last[str(nlri).split()[0]] = said
    return last

from exabgp.protocol.family import AFI, SAFI
FAMILIES = [(AFI.ipv4, SAFI.unicast), (AFI.ipv6, SAFI.unicast)]
ONE = "next-hop 10.0.0.1 med 1 nlri 10.1.1.1/32"
TWO = "next-hop 10.0.0.1 med 2 nlri 10.1.1.1/32"
GONE = "next-hop 10.0.0.1 nlri 10.1.1.1/32"
SIX = "next-hop fd00::1 nlri " + " ".join(f"fd00:1::{number:x}/128" for number in range(1, 601))
OTHER = "next-hop fd00::1 med 7 nlri fd00:2::1/128 fd00:2::2/128"
GONE6 = "next-hop fd00::1 nlri fd00:3::1/128"
delay = Delay()
for _ in range(50):
    delay.increase()
print(json.dumps({
    "to_and_fro": rib(("announce", ONE), ("announce", TWO), ("announce", ONE)),
    "there_and_back": rib(("announce", ONE), ("withdraw", GONE), ("announce", ONE)),
    "gone": rib(("announce", ONE), ("announce", TWO), ("withdraw", GONE)),
    "ipv6": [
        [len(update.nlris), int(update.nlris[0].action), str(update.attributes).partition("med ")[2]]
        for update in table(("announce", SIX), ("withdraw", GONE6), ("announce", OTHER), ("announce", ONE))
    ],
    "longest_delay": delay._next,
    "pending": Reactor._pending_adjribout is cures._pending_adjribout,
}))
"""


def run(*arguments: str) -> dict[str, object]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def cured() -> dict[str, object]:
    return run()


@pytest.fixture(scope="module")
def plain() -> dict[str, object]:
    return run("plain")


def med(found: dict[str, object], case: str) -> str:
    table = found[case]
    assert isinstance(table, dict)
    return str(table["10.1.1.1/32"]).partition("med ")[2] or str(table["10.1.1.1/32"])


def test_attributes_that_change_to_and_fro_before_they_are_sent_end_as_they_were_given(
    cured: dict[str, object], plain: dict[str, object]
) -> None:
    assert med(cured, "to_and_fro") == "1"
    assert med(plain, "to_and_fro") == "2", "ExaBGP does it right now: the cure may go"


def test_a_route_that_was_withdrawn_and_announced_again_is_there(
    cured: dict[str, object], plain: dict[str, object]
) -> None:
    assert med(cured, "there_and_back") == "1"
    assert med(plain, "there_and_back") == "withdrawn", "ExaBGP does it right now: the cure may go"


def test_a_route_that_is_withdrawn_last_is_gone(cured: dict[str, object]) -> None:
    assert med(cured, "gone") == "withdrawn"


def test_ipv6_routes_that_share_everything_go_together(cured: dict[str, object], plain: dict[str, object]) -> None:
    announce, withdraw = 1, 2
    assert cured["ipv6"] == [
        [500, announce, ""],
        [100, announce, ""],
        [1, withdraw, ""],
        [2, announce, "7"],
        [1, announce, "1"],
    ]
    found = plain["ipv6"]
    assert isinstance(found, list)
    assert len(found) == 604, "ExaBGP groups IPv6 routes by now: the cure may go"


def test_a_peer_is_tried_again_soon_however_long_it_was_away(
    cured: dict[str, object], plain: dict[str, object]
) -> None:
    assert cured["longest_delay"] == 10
    assert plain["longest_delay"] == 60


def test_a_reload_never_waits_for_unsent_routes(cured: dict[str, object]) -> None:
    assert cured["pending"] is True


def test_another_version_of_exabgp_is_refused() -> None:
    program = "from speaker.bgp import cures; cures.VERSION = '4.2.0'; cures.apply()"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode != 0
    assert "the cures are for ExaBGP 4.2.0" in result.stderr

"""What went wrong with a session, in words for who runs the network."""

import pytest

from speaker.bgp.sentences import sentence
from tests.unit.speaker.bgp.samples import session


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", ""),
        (
            "notification sent (2,2): OPEN message error / Bad Peer AS / ASN in OPEN (65010) did not match ASN "
            "expected (65020)",
            "peer 192.0.2.1 refused: OPEN error bad peer AS; it says 65010, you say 65020",
        ),
        (
            "notification received (2,2): OPEN message error / Bad Peer AS / fc00",
            "peer 192.0.2.1 refuses us: OPEN error bad peer AS; it expects another AS than 64512, which you say",
        ),
        (
            "notification received (2,3): OPEN message error / Bad BGP Identifier",
            "peer 192.0.2.1 refuses us: OPEN error bad BGP identifier 192.0.2.11; it must differ from the peer's own",
        ),
        (
            "notification received (6,2): Cease / Administrative Shutdown",
            "peer 192.0.2.1 closed the session: Cease, Administrative Shutdown",
        ),
        (
            "notification sent (6,6): Cease / Other Configuration Change",
            "this node closed the session with peer 192.0.2.1",
        ),
        (
            "notification sent (4,0): Hold timer expired / Unspecific",
            "peer 192.0.2.1 refused: Hold timer expired, Unspecific",
        ),
        (
            "no answer to the TCP connection (before: notification received (6,3): Cease / Peer De-configured)",
            "peer 192.0.2.1: no answer to the TCP connection "
            "(before: peer 192.0.2.1 closed the session: Cease, Peer De-configured)",
        ),
        (
            "the BGP daemon ended (signal 9) and is started again",
            "the BGP daemon ended (signal 9) and is started again",
        ),
        (
            "TCP connection: Connection refused (ECONNREFUSED)",
            "peer 192.0.2.1: TCP connection: Connection refused (ECONNREFUSED)",
        ),
    ],
)
def test_a_reason_becomes_a_sentence_that_names_the_peer(reason: str, expected: str) -> None:
    assert sentence(reason, session()) == expected

"""What users read about sessions: a node's own, and the condition of a BGPPeer over all nodes."""

from ipaddress import ip_address

from lb_controller.model.cluster import Node
from lb_controller.model.config import BGPPeer
from lb_controller.model.selectors import LabelSelector, Operator, Requirement
from speaker.decide.announced import Verdict
from speaker.decide.bgp import BgpDecision
from speaker.decide.facts import Cluster
from speaker.decide.told import SessionTold, peer_verdict, sessions_told
from speaker.ipc.messages import Peer, Phase, SessionState

NAMES = ("n1", "n2", "n3")
TOR = BGPPeer(name="tor", my_asn=64512, peer_asn=64500, address=ip_address("10.0.0.1"))
UP = SessionTold(peer="tor", state=Phase.ESTABLISHED)
DOWN = SessionTold(peer="tor", state=Phase.CONNECTING, last_error="peer 10.0.0.1 refused: bad peer AS")


def ask(told: dict[str, SessionTold], peer: BGPPeer = TOR, ready: tuple[str, ...] = NAMES) -> Verdict:
    """The verdict of the only node that gives one."""
    cluster = Cluster({}, {name: Node(name=name, labels={"node": name}, ready=name in ready) for name in NAMES}, {})
    by_node = {name: {entry.peer: entry} for name, entry in told.items()}
    [found] = [answer for me in NAMES if (answer := peer_verdict(peer, cluster, me, by_node)) is not None]
    return found


def test_a_peer_with_all_its_sessions_is_established() -> None:
    assert ask(dict.fromkeys(NAMES, UP)) == Verdict("True", "AllEstablished", "3 of 3 nodes have the session")


def test_a_session_that_is_down_is_named_with_its_error() -> None:
    assert ask({"n1": UP, "n2": DOWN, "n3": UP}) == Verdict(
        "False",
        "SomeSessionsDown",
        "2 of 3 nodes have the session; node n2: peer 10.0.0.1 refused: bad peer AS",
    )
    assert ask(dict.fromkeys(NAMES, DOWN)).reason == "NoSessionEstablished"


def test_a_node_that_has_not_spoken_and_a_node_that_is_not_ready_do_not_count() -> None:
    assert "n2: its speaker has not told" in ask({"n1": UP, "n3": UP}).message
    assert "n2: it is not ready" in ask(dict.fromkeys(NAMES, UP), ready=("n1", "n3")).message


def test_a_peer_that_selects_no_node_says_so() -> None:
    nowhere = LabelSelector((Requirement("node", Operator.IN, frozenset({"n9"})),))
    peer = BGPPeer(name="tor", my_asn=1, peer_asn=2, address=ip_address("10.0.0.1"), node_selectors=(nowhere,))
    assert ask({}, peer).reason == "NoNodeSelected"


def test_only_nodes_that_the_peer_selects_count() -> None:
    one = LabelSelector((Requirement("node", Operator.IN, frozenset({"n2"})),))
    peer = BGPPeer(name="tor", my_asn=1, peer_asn=2, address=ip_address("10.0.0.1"), node_selectors=(one,))
    assert ask({"n2": UP}, peer).message == "1 of 1 node has the session"


def test_a_node_tells_each_session_the_refused_peers_and_the_notes() -> None:
    peer = Peer(name="tor", address="10.0.0.1", local_asn=1, peer_asn=2, router_id="10.0.0.2")
    decision = BgpDecision(peers=(peer,), refused_peers={"bad": "no Secret"}, peer_notes={"tor": "no BFD"})
    state = SessionState(peer="tor", up=True, phase=Phase.ESTABLISHED, since=1000.5, routes=3)
    assert sessions_told(decision, [state]) == (
        SessionTold(peer="bad", state=Phase.NOT_CONFIGURED, last_error="no Secret"),
        SessionTold(peer="tor", state=Phase.ESTABLISHED, address="10.0.0.1", since=1000, note="no BFD", routes=3),
    )
    [_, tor] = sessions_told(decision, [])
    assert tor.state is Phase.CONNECTING

"""What users can read about BGP sessions: the sessions of this node, and the condition Established of a BGPPeer.

The condition has one writer, the first in rank of the nodes that the peer selects, who reads the other nodes' sessions
from their BGPNodeStatus. It names the first node by name whose session is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lb_controller.model.config import BGPPeer
from lb_controller.model.reasons import PeerReason
from speaker.decide.announced import Verdict
from speaker.decide.bgp import BgpDecision
from speaker.decide.eligibility import selected
from speaker.decide.facts import Cluster
from speaker.decide.ranking import first_of
from speaker.ipc.messages import Phase, SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTold:
    """One session of one node, as it stands in a BGPNodeStatus; `since` in seconds since the epoch, 0 for unknown."""

    peer: str
    state: Phase
    address: str = ""
    since: int = 0
    last_error: str = ""
    note: str = ""
    routes: int = 0
    bfd: str = ""


def sessions_told(decision: BgpDecision, states: Iterable[SessionState]) -> tuple[SessionTold, ...]:
    """The sessions of this node, sorted by peer."""
    known = {state.peer: state for state in states}
    told = [
        SessionTold(peer=name, state=Phase.NOT_CONFIGURED, last_error=why)
        for name, why in decision.refused_peers.items()
    ]
    for peer in decision.peers:
        state = known.get(peer.name, SessionState(peer=peer.name, up=False))
        told.append(
            SessionTold(
                peer=peer.name,
                state=state.phase,
                address=state.address or peer.address,
                since=int(state.since),
                last_error=state.last_error,
                note=decision.peer_notes.get(peer.name, ""),
                routes=state.routes,
                bfd=state.bfd,
            )
        )
    return tuple(sorted(told, key=lambda entry: entry.peer))


def peer_verdict(
    peer: BGPPeer, cluster: Cluster, me: str, told: Mapping[str, Mapping[str, SessionTold]]
) -> Verdict | None:
    """The condition Established of one BGPPeer, None where another node writes it. `told`: by node, then by peer."""
    nodes = sorted(name for name, node in cluster.nodes.items() if selected(peer.node_selectors, node.labels))
    ready = [name for name in nodes if cluster.nodes[name].ready]
    writer = first_of(ready or nodes or cluster.nodes, peer.name)
    if writer != me:
        return None
    if not nodes:
        return Verdict("False", PeerReason.NO_NODE.value, "the nodeSelectors select no node")
    # What a node that is not ready told last is old.
    found = {name: told.get(name, {}).get(peer.name) if name in ready else None for name in nodes}
    down = [name for name, entry in found.items() if entry is None or entry.state is not Phase.ESTABLISHED]
    up = len(nodes) - len(down)
    counted = f"{up} of {len(nodes)} {'node has' if len(nodes) == 1 else 'nodes have'} the session"
    notes = [f"node {name}: {entry.note}" for name, entry in found.items() if entry is not None and entry.note]
    if not down:
        return Verdict("True", PeerReason.ALL_ESTABLISHED.value, "; ".join([counted, *notes[:1]]))
    entry = found[down[0]]
    if entry is None:
        why = "its speaker has not told its sessions yet" if down[0] in ready else "it is not ready"
    else:
        why = entry.last_error or f"the session is {entry.state}"
    reason = PeerReason.SOME_DOWN if up else PeerReason.ALL_DOWN
    return Verdict("False", reason.value, "; ".join([counted, f"node {down[0]}: {why}", *notes[:1]]))

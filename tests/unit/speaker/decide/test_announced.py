"""The condition Announced: one writer in the cluster, and one sentence for both protocols."""

from collections.abc import Mapping
from ipaddress import ip_address

from lb_controller.model.address import Address, AddressRange
from lb_controller.model.cluster import Endpoint, Node, Service, ServiceKey, TrafficPolicy
from lb_controller.model.config import BGPAdvertisement, BGPPeer, Config, L2Advertisement, Pool
from speaker.decide.announced import Picture, Verdict, verdict
from speaker.decide.bgp import desired_bgp
from speaker.decide.decider import Decider
from speaker.decide.facts import Cluster
from speaker.decide.ranking import rank
from speaker.decide.reach import Reach

NAMES = ("n1", "n2", "n3")
KEY = ServiceKey("default", "web")
V4, V6 = ip_address("192.0.2.1"), ip_address("2001:db8::1")
POOL = Pool("pool", tuple(AddressRange(address, address) for address in (V4, V6)))
PEER = BGPPeer(name="tor", my_asn=64512, peer_asn=64500, address=ip_address("10.0.0.1"))
LINK = Config(pools=(POOL,), l2_advertisements=(L2Advertisement("all"),))
BGP = Config(pools=(POOL,), bgp_advertisements=(BGPAdvertisement("all"),), bgp_peers=(PEER,))
BOTH = Config(
    pools=(POOL,),
    l2_advertisements=LINK.l2_advertisements,
    bgp_advertisements=BGP.bgp_advertisements,
    bgp_peers=(PEER,),
)
UP = dict.fromkeys(NAMES, frozenset({"tor"}))


def service(*addresses: Address, **changes: object) -> Service:
    return Service(key=KEY, uid="web", ingress=addresses or (V4,), **changes)  # type: ignore[arg-type]


def nodes(**changes: Mapping[str, object]) -> dict[str, Node]:
    return {
        name: Node(name=name, addresses=(ip_address(f"10.0.0.1{name[1]}"),), **changes.get(name, {}))  # type: ignore[arg-type]
        for name in NAMES
    }


def ask(
    config: Config,
    found: Service,
    owner: str = "",
    *,
    established: Mapping[str, frozenset[str]] = UP,
    endpoints: tuple[Endpoint, ...] = (Endpoint("n1"), Endpoint("n2")),
    known: Mapping[str, Node] | None = None,
    quarantined: Mapping[str, str] | None = None,
) -> dict[str, Verdict]:
    """What each node writes, by node; those that write nothing are absent."""
    cluster = Cluster({KEY: found}, known or nodes(), {KEY: endpoints})
    answers = {}
    for me in NAMES:
        decider = Decider(me)
        decider.set_config(config)
        for node in cluster.nodes.values():
            decider.set_node(node.name, node)
        decider.set_service(KEY, found)
        decider.set_endpoints(KEY, endpoints)
        decider.settle()
        picture = Picture(
            me=me,
            nodes=set(NAMES),
            owned=frozenset(map(str, found.ingress)) if owner == me else frozenset(),
            quarantined=quarantined or {},
            link=decider.announcements,
            link_omissions=decider.omissions,
            reach=Reach(config, cluster, {}) if config.bgp_advertisements else None,
            conflicts=desired_bgp(config, cluster, me, {}).omissions,
            established=established,
        )
        answer = verdict(found, picture)
        if answer is not None:
            answers[me] = answer
    return answers


def test_the_owner_on_the_link_writes_and_nobody_else() -> None:
    for owner in NAMES:
        assert ask(LINK, service(), owner) == {
            owner: Verdict("True", "Announced", f"192.0.2.1 is announced on the local link by node {owner}")
        }


def test_an_address_that_another_host_has_is_told_by_its_first_candidate() -> None:
    told = ask(LINK, service(), quarantined={"192.0.2.1": "02:00:00:00:00:01"})
    [(writer, found)] = told.items()
    assert writer == rank(service().ingress[0], NAMES)[0]
    assert (found.status, found.reason) == ("False", "AddressConflict")
    assert "02:00:00:00:00:01" in found.message


def test_while_no_node_owns_the_address_nobody_writes() -> None:
    assert ask(LINK, service()) == {}


def test_by_bgp_one_of_the_announcing_nodes_writes_how_many_nodes_and_peers_there_are() -> None:
    [answer] = ask(BGP, service()).values()
    assert answer == Verdict("True", "Announced", "192.0.2.1 is announced by BGP from 3 nodes to 1 peer")


def test_by_bgp_the_writer_is_a_node_that_announces() -> None:
    for name in NAMES:
        local = service(traffic_policy=TrafficPolicy.LOCAL)
        answers = ask(BGP, local, endpoints=(Endpoint(name),))
        assert list(answers) == [name]
        assert "from 1 node to 1 peer" in answers[name].message


def test_both_protocols_are_one_sentence_of_the_owner() -> None:
    assert ask(BOTH, service(), "n2") == {
        "n2": Verdict(
            "True",
            "Announced",
            "192.0.2.1 is announced on the local link by node n2 and by BGP from 3 nodes to 1 peer",
        )
    }


def test_without_an_established_session_nothing_is_announced() -> None:
    [answer] = ask(BGP, service(), established={}).values()
    assert (answer.status, answer.reason) == ("False", "NoSession")
    assert "3 nodes and BGPPeer tor" in answer.message
    [answer] = ask(BGP, service(), established={"n3": frozenset({"tor"})}).values()
    assert answer.status == "True"


def test_an_address_that_nobody_announces_makes_the_condition_false_and_the_other_one_is_named_too() -> None:
    [answer] = ask(BGP, service(V4, V6)).values()
    assert (answer.status, answer.reason) == ("False", "NoPeer")
    assert "192.0.2.1 is announced by BGP" in answer.message
    assert "carries IPv6" in answer.message


def test_without_endpoints_exactly_one_node_says_why() -> None:
    for config in (LINK, BGP, BOTH):
        [answer] = ask(config, service(), endpoints=()).values()
        assert (answer.status, answer.reason) == ("False", "NoUsableEndpoint")


def test_without_any_advertisement_exactly_one_node_says_so() -> None:
    [answer] = ask(Config(pools=(POOL,)), service()).values()
    assert (answer.status, answer.reason) == ("False", "NoMatchingAdvertisement")


def test_the_reason_of_the_protocol_that_is_meant_for_the_address_wins() -> None:
    elsewhere = Config(pools=(POOL,), l2_advertisements=(), bgp_advertisements=BGP.bgp_advertisements, bgp_peers=())
    [answer] = ask(elsewhere, service()).values()
    assert answer.reason == "NoPeer"


def test_a_conflict_of_advertisements_is_said_by_the_node_that_would_announce() -> None:
    config = Config(
        pools=(POOL,),
        bgp_advertisements=(BGPAdvertisement("a", local_pref=1), BGPAdvertisement("b", local_pref=2)),
        bgp_peers=(PEER,),
    )
    [answer] = ask(config, service()).values()
    assert (answer.status, answer.reason) == ("False", "ConflictingAdvertisements")


def test_nodes_that_may_not_announce_are_named() -> None:
    known = nodes(**{name: {"network_unavailable": True} for name in NAMES})
    [answer] = ask(BGP, service(), known=known).values()
    assert answer.reason == "NoEligibleNode"
    assert "n1 has the condition NetworkUnavailable" in answer.message
    gone = nodes(n1={"ready": False})
    [answer] = ask(BGP, service(), known=gone).values()
    assert "from 2 nodes" in answer.message

from dataclasses import replace

import pytest

from lb_controller.model.address import Family
from speaker.bgp.commands import (
    BATCH,
    GRACEFUL_SHUTDOWN,
    Attributes,
    Command,
    difference,
    end_of_rib,
    octets_of,
    wanted_routes,
)
from speaker.ipc.messages import Parting, Route
from tests.unit.speaker.bgp.samples import V4, V6, session

HOP = "192.0.2.11"
SELECTOR = "neighbor 192.0.2.1 local-ip 192.0.2.11 local-as 64512 peer-as 64500 router-id 192.0.2.11"


def announce(attributes: Attributes, internal: bool = False) -> str:
    chosen = replace(session(), peer_asn=64512) if internal else session()
    text = str(Command(chosen, True, attributes, ("203.0.113.1/32",)))
    return text.partition(" announce attributes ")[2]


def test_a_command_names_the_session_and_the_next_hop() -> None:
    command = Command(session(), True, Attributes(HOP), ("203.0.113.1/32", "203.0.113.2/32"))
    assert str(command) == f"{SELECTOR} announce attributes next-hop {HOP} nlri 203.0.113.1/32 203.0.113.2/32"


def test_a_withdrawal_needs_no_attributes() -> None:
    command = Command(session(), False, Attributes(HOP, local_pref=7), ("203.0.113.1/32",))
    assert str(command) == f"{SELECTOR} withdraw attributes next-hop {HOP} nlri 203.0.113.1/32"


def test_communities_are_sorted_into_their_kinds() -> None:
    text = announce(Attributes(HOP, communities=("65000:1", "large:65000:1:2", "65000:2")))
    assert text.startswith(f"next-hop {HOP} community [ 65000:1 65000:2 ] large-community [ 65000:1:2 ] nlri")


def test_local_preference_goes_to_internal_peers_only() -> None:
    assert "local-preference 300" in announce(Attributes(HOP, local_pref=300), internal=True)
    assert "local-preference" not in announce(Attributes(HOP, local_pref=300))


def test_prepending_repeats_our_asn_towards_external_peers_only() -> None:
    assert "as-path [ 64512 64512 64512 ]" in announce(Attributes(HOP, prepend=2))
    assert "as-path" not in announce(Attributes(HOP, prepend=2), internal=True)


def test_a_med_of_zero_is_written() -> None:
    assert "med 0" in announce(Attributes(HOP, med=0))


def test_end_of_rib_is_sent_for_every_family() -> None:
    both = replace(session(), next_hops={Family.IPV4: V4, Family.IPV6: V6})
    assert [line.removeprefix(SELECTOR) for line in end_of_rib(both)] == [
        " announce eor ipv4 unicast",
        " announce eor ipv6 unicast",
    ]


def test_a_session_gets_the_routes_that_name_it_and_that_it_can_carry() -> None:
    routes = [
        Route(prefix="203.0.113.1/32", peers=("tor", "spine"), local_pref=5),
        Route(prefix="203.0.113.2/32", peers=("spine",)),
        Route(prefix="2001:db8:1::1/128", peers=("tor",)),
    ]
    wanted = wanted_routes(session(), routes)
    assert wanted.routes == {"203.0.113.1/32": Attributes(HOP, local_pref=5)}
    assert wanted.refused == {}
    assert wanted.leaving == set()


@pytest.mark.parametrize("parting", [Parting.DEMOTED, Parting.LEAVES])
def test_a_demoted_route_is_the_last_choice_and_keeps_its_other_attributes(parting: Parting) -> None:
    given = Route(
        prefix="203.0.113.1/32", peers=("tor",), local_pref=300, med=5, communities=("65000:1",), parting=parting
    )
    wanted = wanted_routes(session(), [given])
    expected = Attributes(HOP, local_pref=0, med=5, communities=("65000:1", GRACEFUL_SHUTDOWN))
    assert wanted.routes == {"203.0.113.1/32": expected}
    assert wanted.leaving == ({"203.0.113.1/32"} if parting is Parting.LEAVES else set())
    assert expected.demoted() is expected


@pytest.mark.parametrize(
    "route",
    [
        Route(prefix="203.0.113.1/32 nlri 0.0.0.0/0", peers=("tor",)),
        Route(prefix="203.0.113.1", peers=("tor",)),
        Route(prefix="203.0.113.1/32", peers=("tor",), communities=("65000:1 ]",)),
        Route(prefix="203.0.113.1/32\nshutdown", peers=("tor",)),
    ],
)
def test_a_route_that_could_break_out_of_its_command_is_refused(route: Route) -> None:
    wanted = wanted_routes(session(), [route])
    assert wanted.routes == {}
    assert list(wanted.refused) == [route.prefix]


def test_the_difference_withdraws_first_and_groups_by_attributes() -> None:
    one, two = Attributes(HOP), Attributes(HOP, med=1)
    given = {"a": one, "b": one, "c": one}
    wanted = {"b": one, "c": two, "d": two, "e": one}
    commands = list(difference(session(), given, wanted))
    assert [(c.announce, c.prefixes) for c in commands] == [(False, ("a",)), (True, ("c", "d")), (True, ("e",))]


def test_nothing_different_is_no_command() -> None:
    same = {"a": Attributes(HOP)}
    assert list(difference(session(), same, dict(same))) == []


def test_a_command_holds_a_limited_number_of_prefixes() -> None:
    wanted = {f"p{number}": Attributes(HOP) for number in range(2 * BATCH + 1)}
    assert [len(command.prefixes) for command in difference(session(), {}, wanted)] == [BATCH, BATCH, 1]


def test_halves_hold_every_prefix_once() -> None:
    first, second = Command(session(), True, Attributes(HOP), ("a", "b", "c")).halves()
    assert first.prefixes + second.prefixes == ("a", "b", "c")
    assert first.prefixes


@pytest.mark.parametrize(
    ("extended", "octets"),
    [
        ("target:65000:1", "0002fde800000001"),
        ("origin:65535:4294967295", "0003ffffffffffff"),
        ("target:4200000000:7", "0202fa56ea000007"),
        ("bandwidth:100", "4004fc004b3ebc20"),  # 12,500,000 octets per second
    ],
)
def test_an_extended_community_is_written_as_its_octets(extended: str, octets: str) -> None:
    assert octets_of(extended, 64512).hex() == octets
    assert f"extended-community [ 0x{octets} ]" in announce(Attributes(HOP, extended=(extended,)))


def test_the_bandwidth_of_a_long_as_number_stands_under_as_trans() -> None:
    assert octets_of("bandwidth:100", 4200000000).hex() == "40045ba04b3ebc20"


def test_no_command_mixes_families_even_where_the_next_hop_is_the_same() -> None:
    hop = Attributes("fe80::11")
    routes = {"203.0.113.1/32": hop, "2001:db8:1::1/128": hop, "203.0.113.2/32": hop}
    announced = [command.prefixes for command in difference(session(), {}, routes)]
    assert announced == [("203.0.113.1/32", "203.0.113.2/32"), ("2001:db8:1::1/128",)]
    assert [command.prefixes for command in difference(session(), routes, {})] == announced

"""Floors spare the looking at what is known to be no good, and are never too high."""

from lb_controller.allocation.gathering import GatheringPlaces, Kind
from lb_controller.model.cluster import Port

HTTP, TLS, DNS = Port("TCP", 80), Port("TCP", 443), Port("UDP", 53)
KIND = Kind("k", None, "default", "p", 4)


class Places:
    """Addresses with the ports that are taken there; counts how many were looked at."""

    def __init__(self, **taken: set[Port]) -> None:
        self.taken = {int(name[1:]): ports for name, ports in taken.items()}
        self.places = GatheringPlaces()
        self.looked = self.free = 0
        for number in self.taken:
            self.places.add("k", number)

    def lowest(self, *ports: Port) -> int | None:
        self.looked = 0
        return self.places.lowest(KIND, ports, self._bad)

    def _bad(self, number: int) -> set[Port] | None:
        self.looked += 1
        return None if number == self.free else self.taken[number]


def with_free(places: Places, number: int) -> Places:
    """Every port is good at this address."""
    places.free = number
    return places


def test_the_lowest_good_address_is_found_and_found_again_at_once() -> None:
    places = with_free(Places(n1={HTTP}, n2={HTTP}, n3=set()), 3)
    assert (places.lowest(HTTP), places.looked) == (3, 3)
    assert (places.lowest(HTTP), places.looked) == (3, 1)


def test_a_port_that_is_taken_everywhere_stands_for_all_who_have_it() -> None:
    places = Places(n1={HTTP}, n2={HTTP, TLS}, n3={HTTP})
    assert (places.lowest(HTTP, TLS), places.looked) == (None, 3)
    assert (places.lowest(HTTP, DNS), places.looked) == (None, 0)


def test_a_floor_does_not_rise_over_an_address_that_is_bad_for_another_port_only() -> None:
    places = Places(n1={TLS}, n2={HTTP})
    assert places.lowest(HTTP, TLS) is None
    assert with_free(places, 1).lowest(HTTP) == 1


def test_floors_sink_to_an_address_that_changed_or_is_new() -> None:
    places = Places(n2={HTTP}, n5={HTTP})
    assert places.lowest(HTTP) is None
    places.places.changed("k", 2)
    assert with_free(places, 2).lowest(HTTP) == 2
    fresh = Places(n2={HTTP}, n5={HTTP})
    assert fresh.lowest(HTTP) is None
    fresh.places.add("k", 1)
    assert with_free(fresh, 1).lowest(HTTP) == 1


def test_a_key_that_nobody_has_any_more_has_no_addresses() -> None:
    places = Places(n1={HTTP})
    places.places.remove("k", 1)
    assert places.lowest(HTTP) is None


def test_more_ports_than_are_remembered_are_looked_for_all_the_same() -> None:
    places = Places(n1={HTTP}, n2=set())
    with_free(places, 2)
    assert all(places.lowest(HTTP, Port("TCP", number)) == 2 for number in range(1000, 1600))

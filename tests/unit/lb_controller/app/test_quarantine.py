"""Addresses of foreign hosts: heard from conditions, remembered for a while, let go when the speakers say so."""

from dataclasses import replace
from ipaddress import ip_address

from lb_controller.app.quarantine import SECONDS, Quarantine
from lb_controller.model.cluster import Condition, Service, ServiceKey
from lb_controller.model.names import CONDITION_ANNOUNCED

TAKEN, OTHER = ip_address("192.0.2.1"), ip_address("2001:db8::1")


def service(reason: str, message: str) -> Service:
    status = "True" if reason == "Announced" else "False"
    told = Condition(CONDITION_ANNOUNCED, status, reason, message)
    return Service(key=ServiceKey("default", "a"), uid="u", ingress=(TAKEN, OTHER), conditions=(told,))


CONFLICT = service("AddressConflict", f"{TAKEN} is not announced on the local link: another host has it")
ANNOUNCED = service("Announced", f"{TAKEN} is announced on the local link by node n1")


def test_only_the_address_in_conflict_is_kept_back() -> None:
    quarantine = Quarantine()
    assert quarantine.note(CONFLICT, 0)
    assert quarantine.addresses == {TAKEN}
    assert not quarantine.note(CONFLICT, 1), "nothing new"


def test_another_reason_and_no_condition_keep_nothing_back() -> None:
    quarantine = Quarantine()
    assert not quarantine.note(service("NoUsableEndpoint", f"{TAKEN} is not announced"), 0)
    assert not quarantine.note(replace(CONFLICT, conditions=()), 0)


def test_an_address_that_is_announced_is_free_of_suspicion_at_once() -> None:
    quarantine = Quarantine()
    quarantine.note(CONFLICT, 0)
    assert quarantine.note(ANNOUNCED, 1)
    assert quarantine.addresses == frozenset()


def test_what_nobody_speaks_of_is_given_again_after_a_while() -> None:
    quarantine = Quarantine()
    quarantine.note(CONFLICT, 0)
    assert not quarantine.expire(SECONDS - 1, ())
    assert quarantine.expire(SECONDS, ())
    assert quarantine.addresses == frozenset()


def test_a_holder_that_still_says_so_is_heeded() -> None:
    quarantine = Quarantine()
    quarantine.note(CONFLICT, 0)
    assert not quarantine.expire(SECONDS, (CONFLICT,))
    assert quarantine.addresses == {TAKEN}

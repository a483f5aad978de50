"""What `helm test` concludes from what it reads."""

import asyncio

import pytest

from lb_controller.app.trial import Failed, TrialSettings, address_of, announced, service, until


def condition(status: str) -> dict[str, str]:
    return {"type": "heraldlb.io/Announced", "status": status, "reason": "Announced", "message": "by node1 on the link"}


def test_where_it_is_announced_is_what_its_condition_says() -> None:
    assert announced({"status": {"conditions": [condition("True")]}}) == ("by node1 on the link", "")


def test_what_is_not_announced_has_the_reason_of_its_condition() -> None:
    assert announced({"status": {"conditions": [condition("False")]}}) == ("", "Announced: by node1 on the link")
    assert "nothing" in announced({"status": {}})[1]


def test_the_address_is_the_first_of_the_status() -> None:
    status = {"loadBalancer": {"ingress": [{"hostname": "x"}, {"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}}
    assert address_of({"status": status}) == ("192.0.2.1", "")


def test_without_an_address_the_condition_says_why() -> None:
    told = {"type": "heraldlb.io/Assigned", "reason": "NoPool", "message": "there is no pool"}
    assert address_of({"status": {"conditions": [told]}}) == ("", "NoPool: there is no pool")
    assert "nothing" in address_of({})[1]


def test_the_service_asks_for_a_pool_only_where_one_is_named() -> None:
    assert service(TrialSettings())["metadata"]["annotations"] == {}
    named = service(TrialSettings(pool="lan", load_balancer_class="x/y"))
    assert named["metadata"]["annotations"] == {"heraldlb.io/address-pool": "lan"}
    assert named["spec"]["loadBalancerClass"] == "x/y"


async def never() -> tuple[str, str]:
    return "", "the reason"


def test_a_step_that_never_succeeds_fails_with_its_reason() -> None:
    with pytest.raises(Failed, match="no address after 0 s: the reason"):
        asyncio.run(until(0.0, never, "no address"))

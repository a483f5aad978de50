"""What `helm test` concludes from what it reads."""

import asyncio

import pytest

from lb_controller.app.trial import Failed, TrialSettings, address_of, announced, service, until

PAGE = """# HELP heraldlb_layer2_owned_addresses addresses that this node owns now
# TYPE heraldlb_layer2_owned_addresses gauge
heraldlb_layer2_owned_addresses 3.0
heraldlb_bgp_announced_prefixes{peer="a b"} 2.0
heraldlb_bgp_announced_prefixes{peer="c"} 1.0
heraldlb_bgp_session_up{peer="c"} 1.0
"""


def test_the_announced_are_the_owned_addresses_and_the_routes_of_all_peers() -> None:
    assert announced(PAGE) == 6
    assert announced("") == 0


def test_the_address_is_the_first_of_the_status() -> None:
    status = {"loadBalancer": {"ingress": [{"hostname": "x"}, {"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}}
    assert address_of({"status": status}) == ("192.0.2.1", "")


def test_without_an_address_the_condition_says_why() -> None:
    condition = {"type": "heraldlb.io/Assigned", "reason": "NoPool", "message": "there is no pool"}
    assert address_of({"status": {"conditions": [condition]}}) == ("", "NoPool: there is no pool")
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

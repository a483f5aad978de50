"""The configuration is read anew after news that matter to it, and only then."""

from typing import Any

from lb_controller.app.configuration import Configuration
from lb_controller.app.inputs import NODE, SERVICE_CIDR, SOURCES, Value, from_mapping
from lb_controller.app.observed import Observed

POOL = "IPAddressPool"


class Cluster:
    def __init__(self) -> None:
        self.observed: dict[str, Observed[Value]] = {source: Observed() for source in SOURCES}
        self.configuration = Configuration(self.observed)
        self._version = 0

    def see(self, source: str, name: str, **body: Any) -> None:
        self._version += 1
        metadata = {"name": name, "resourceVersion": str(self._version)}
        self.observed[source].see(from_mapping(source, {"metadata": metadata, **body}))
        self.configuration.note(source)

    def node(self, name: str, address: str, *, ready: bool = True) -> None:
        conditions = [{"type": "Ready", "status": str(ready)}]
        addresses = [{"type": "InternalIP", "address": address}]
        self.see(NODE, name, status={"conditions": conditions, "addresses": addresses})

    def told(self, name: str) -> list[str]:
        raws = [raw for raw in self.configuration.objects() if raw.name == name]
        return [problem.message for raw in raws for problem in self.configuration.problems(raw)]


def test_a_node_s_heartbeat_does_not_make_it_read_anew() -> None:
    cluster = Cluster()
    cluster.see(POOL, "p", spec={"addresses": ["192.0.2.8/29"]})
    cluster.node("n1", "198.51.100.1")
    assert cluster.configuration.refresh()
    cluster.node("n1", "198.51.100.1", ready=False)
    assert not cluster.configuration.refresh()
    cluster.node("n1", "192.0.2.9")
    assert cluster.configuration.refresh()
    assert "192.0.2.9 of Node n1" in cluster.told("p")[0]


def test_networks_of_services_and_names_that_lead_nowhere_are_told() -> None:
    cluster = Cluster()
    cluster.see(POOL, "p", spec={"addresses": ["10.96.1.0/24"]})
    cluster.see("L2Advertisement", "ad", spec={"ipAddressPools": ["p", "gone"]})
    cluster.see(SERVICE_CIDR, "kubernetes", spec={"cidrs": ["10.96.0.0/12"]})
    assert cluster.configuration.refresh()
    assert "10.96.0.0/12" in cluster.told("p")[0]
    assert "'gone'" in cluster.told("ad")[0]
    assert cluster.configuration.invalid() == {}
    assert len(cluster.configuration.config.pools) == 1

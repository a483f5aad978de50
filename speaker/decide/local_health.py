"""Services with policy Local whose first endpoint on this node has just become ready. Time is an argument.

kube-proxy needs a while, up to a second and more, before it carries traffic to such an endpoint, and drops it until
then. It says when it does, on the Service's healthCheckNodePort: 200 while it knows of ready endpoints on its node.
So a Service is opened here

    when kube-proxy says 200;
    after `wait` seconds without any answer, for nobody on this node answers such questions (and the next Service then
    at its first question without an answer);
    never on another answer: kube-proxy knows better than an EndpointSlice what it does with packets.

What had an endpoint here when the first picture was taken is open: a restarted speaker withdraws nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lb_controller.model.cluster import Endpoint, Service, ServiceKey, TrafficPolicy
from speaker.decide.forwarding import Answer

Endpoints = tuple[Endpoint, ...]


@dataclass(slots=True)
class Asked:
    """A question to kube-proxy; `overdue`: its answer took longer than `wait`."""

    service: Service
    until: float
    overdue: bool = False


class LocalHealth:
    """What kube-proxy on node `me` must be asked. `wait`: seconds, 0 asks nothing."""

    def __init__(self, me: str, wait: float = 0.0) -> None:
        self._me, self.wait = me, wait
        self._served: set[ServiceKey] = set()
        self._nobody_answers = False
        self.begun = False  # the first picture was taken
        self.asked: dict[ServiceKey, Asked] = {}

    def marked(self, service: Service, endpoints: Endpoints, now: float) -> Endpoints:
        """The endpoints of the Service, those here marked where kube-proxy does not carry traffic to them yet."""
        here = [endpoint for endpoint in endpoints if endpoint.usable and endpoint.node == self._me]
        concerned = service.traffic_policy is TrafficPolicy.LOCAL and service.health_check_node_port
        if not here or not concerned or not self.wait:
            self.forget(service.key)
            return endpoints
        # kube-proxy counts ready endpoints; where only terminating ones serve, it says no and carries traffic on.
        if service.key not in self._served and self.begun and any(endpoint.ready for endpoint in here):
            self.asked[service.key] = Asked(service, now + (0 if self._nobody_answers else self.wait))
        self._served.add(service.key)
        asked = self.asked.get(service.key)
        if asked is None:
            return endpoints
        asked.service = service
        return tuple(_not_programmed(endpoints, self._me))

    def forget(self, key: ServiceKey) -> None:
        """The Service is gone, or has nothing here."""
        self._served.discard(key)
        self.asked.pop(key, None)

    def note(self, key: ServiceKey, answer: Answer, now: float) -> bool:
        """kube-proxy was asked; returns whether the Service is open now. Look at its endpoints again then."""
        asked = self.asked.get(key)
        if asked is None:
            return False
        asked.overdue = now >= asked.until
        if answer is not Answer.SILENT:
            self._nobody_answers = False
        elif asked.overdue:
            self._nobody_answers = True
        if answer is Answer.HEALTHY or (answer is Answer.SILENT and asked.overdue):
            del self.asked[key]
            return True
        return False


def _not_programmed(endpoints: Iterable[Endpoint], node: str) -> Iterable[Endpoint]:
    for endpoint in endpoints:
        yield replace(endpoint, programmed=False) if endpoint.node == node else endpoint

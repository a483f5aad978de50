"""The endpoints of a Service: those of all its EndpointSlices, in the order of the slices' names."""

from lb_controller.model.cluster import Endpoint, EndpointSlice, ServiceKey

Key = tuple[str, str]
Endpoints = tuple[Endpoint, ...]


class Slices:
    """All slices, by the Service that they belong to."""

    def __init__(self) -> None:
        self._slices: dict[ServiceKey, dict[str, Endpoints]] = {}
        self._service_of: dict[Key, ServiceKey] = {}

    def put(self, key: Key, found: EndpointSlice | None) -> dict[ServiceKey, Endpoints]:
        """Take a slice, or None when it is gone; returns the endpoints of the Services that it touches.

        Two Services are touched when the label of a slice moves it from one to the other.
        """
        touched: list[ServiceKey] = []
        previous = self._service_of.pop(key, None)
        if previous is not None:
            touched.append(previous)
            del self._slices[previous][key[1]]
        if found is not None and found.service:
            service = ServiceKey(found.namespace, found.service)
            touched.append(service)
            self._service_of[key] = service
            self._slices.setdefault(service, {})[key[1]] = found.endpoints
        return {service: self._endpoints(service) for service in touched}

    def of(self, service: ServiceKey) -> Endpoints:
        """The endpoints of the Service."""
        return self._endpoints(service) if service in self._slices else ()

    def _endpoints(self, service: ServiceKey) -> Endpoints:
        slices = self._slices[service]
        if not slices:
            del self._slices[service]
        return tuple(endpoint for name in sorted(slices) for endpoint in slices[name])

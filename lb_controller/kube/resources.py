"""Resources as URLs: where objects of a kind are listed, and where one of them stands."""

from dataclasses import dataclass
from typing import Final

from lb_controller.model import names


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API; `namespace` narrows a namespaced one to one namespace, "" means all or cluster-scoped."""

    group: str
    version: str
    plural: str
    namespace: str = ""

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def path(self) -> str:
        """The path of the list."""
        middle = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{self.root}{middle}/{self.plural}"

    def object_path(self, namespace: str, name: str) -> str:
        """The path of one object; `namespace` is "" for a cluster-scoped one."""
        middle = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.root}{middle}/{self.plural}/{name}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


SERVICES: Final = Resource("", "v1", "services")
NAMESPACES: Final = Resource("", "v1", "namespaces")
NODES: Final = Resource("", "v1", "nodes")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases")
EVENTS: Final = Resource("", "v1", "events")
SERVICE_CIDRS: Final = Resource("networking.k8s.io", "v1", "servicecidrs")
PODS: Final = Resource("", "v1", "pods")
SECRETS: Final = Resource("", "v1", "secrets")
VALIDATING_WEBHOOKS: Final = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")

LOAD_BALANCERS_ONLY: Final = "spec.type=LoadBalancer"


def custom(kind: str) -> Resource:
    """The resource of one of HeraldLB's own kinds."""
    return Resource(names.GROUP, names.VERSION, names.PLURALS[kind])


def metallb(kind: str, namespace: str, *, version: str = "") -> Resource:
    """The resource of MetalLB's kind of that name; its objects are namespaced, and it reads those of one namespace.

    `version`: "" is the newest that it has.
    """
    version = version or names.METALLB_VERSIONS.get(kind, names.VERSION)
    return Resource(names.METALLB_GROUP, version, names.PLURALS[kind], namespace)

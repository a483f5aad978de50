"""Keeps the webhook's certificates: in a Secret that all replicas share, in the API server's trust, in this process.

    Secret  --read; made or renewed where due, conditional by resourceVersion: the other replica's are as good--+
    ValidatingWebhookConfiguration <-- caBundle, where it differs                                                |
    CertificateFile <-- leaf and key: last, so that a new leaf is trusted before it is shown  <------------------+

Looks again with every period of full lists, so what somebody deleted or emptied comes back. Without the configuration
object (the webhook was not wanted) the certificates are kept all the same: then nobody asks, and nothing is lost.
"""

import asyncio
import base64
import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from lb_controller.app.certificate_file import CertificateFile
from lb_controller.kube.client import Api
from lb_controller.kube.errors import ApiError, Conflict, NotFound, Unavailable
from lb_controller.kube.resources import SECRETS, VALIDATING_WEBHOOKS
from lb_controller.model import names
from lb_controller.runtime.backoff import Backoff
from lb_controller.runtime.certificates import Certificates, renewed
from lb_controller.runtime.logging import logger

_TRIES = 5


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Secret(msgspec.Struct):
    metadata: _Meta
    data: dict[str, bytes] | None = None


class _ClientConfig(msgspec.Struct):
    ca: str = msgspec.field(default="", name="caBundle")


class _Webhook(msgspec.Struct, rename="camel"):
    name: str
    client_config: _ClientConfig


class _Configuration(msgspec.Struct):
    webhooks: list[_Webhook] | None = None


_decode_secret = msgspec.json.Decoder(_Secret).decode
_decode_configuration = msgspec.json.Decoder(_Configuration).decode


class CertificateKeeper:
    """Runs beside the webhook's server, which reads `file`; `every` is in seconds."""

    def __init__(self, api: Api, namespace: str, every: float) -> None:
        self._api, self._namespace, self._every = api, namespace, every
        self._path = SECRETS.object_path(namespace, names.WEBHOOK_SERVICE)
        self._loaded: Certificates | None = None
        self._failing = False
        self._log = logger(part="certificates")
        self.file = CertificateFile()

    async def run(self) -> None:
        """Keep them until cancelled."""
        backoff = Backoff(random.random)
        while True:
            try:
                await self._keep()
            except (ApiError, msgspec.DecodeError) as error:
                if not self._failing:
                    self._log.warning("certificates_failing", why=str(error))
                self._failing = True
                await asyncio.sleep(backoff.next())
            else:
                self._failing = False
                backoff.reset()
                await asyncio.sleep(self._every)

    async def _keep(self) -> None:
        held = await self._settled()
        await self._make_trusted(held.authorities)
        if held != self._loaded:
            self.file.load(held.chain)
            self._loaded = held
            self._log.info("certificates_loaded")

    async def _settled(self) -> Certificates:
        """What stands in the Secret, renewed where due. Raises ApiError."""
        dns = f"{names.WEBHOOK_SERVICE}.{self._namespace}.svc"
        for _ in range(_TRIES):
            try:
                secret = _decode_secret(await self._api.get(self._path))
            except NotFound:
                secret = _Secret(_Meta())
            held = _certificates(secret.data or {})
            wanted = renewed(held, (dns,), datetime.now(UTC))
            if wanted == held:
                return wanted
            try:
                await self._store(secret, wanted)
            except (Conflict, NotFound):
                continue  # another replica made them, or somebody deleted the Secret: look again
            self._log.info("certificates_made", first=held is None)
            return wanted
        raise Unavailable(f"PUT {self._path}", 0, "the Secret changes all the time")

    async def _store(self, secret: _Secret, wanted: Certificates) -> None:
        metadata: dict[str, Any] = {"name": names.WEBHOOK_SERVICE, "namespace": self._namespace}
        metadata |= {"labels": secret.metadata.labels or {}, "annotations": secret.metadata.annotations or {}}
        texts = {key: base64.b64encode(text).decode() for key, text in _texts(wanted).items()}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": texts}
        if secret.metadata.resource_version:
            metadata["resourceVersion"] = secret.metadata.resource_version
            await self._api.put(self._path, body)
        else:
            await self._api.post(SECRETS.object_path(self._namespace, "").rstrip("/"), body)

    async def _make_trusted(self, authorities: bytes) -> None:
        """The API server trusts whom the configuration names."""
        path, wanted = VALIDATING_WEBHOOKS.object_path("", names.WEBHOOK_CONFIGURATION), base64.b64encode(authorities)
        try:
            found = _decode_configuration(await self._api.get(path))
        except NotFound:
            return
        hooks = found.webhooks or []
        if all(hook.client_config.ca == wanted.decode() for hook in hooks):
            return
        body = {
            "apiVersion": VALIDATING_WEBHOOKS.api_version,
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": names.WEBHOOK_CONFIGURATION},
            "webhooks": [{"name": hook.name, "clientConfig": {"caBundle": wanted.decode()}} for hook in hooks],
        }
        await self._api.apply(path, body, manager=names.FIELD_MANAGER_CONTROLLER)
        self._log.info("certificates_trusted")


def _texts(held: Certificates) -> dict[str, bytes]:
    return {
        "ca.crt": held.authorities,
        "ca.key": held.authority_key,
        "tls.crt": held.leaf,
        "tls.key": held.leaf_key,
    }


def _certificates(data: dict[str, bytes]) -> Certificates | None:
    parts = [data.get(key, b"") for key in ("ca.crt", "ca.key", "tls.crt", "tls.key")]
    return Certificates(*parts) if all(parts) else None

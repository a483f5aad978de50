"""What a request to the API server can end in, besides success: one exception class for each reaction of a caller.

Every error names the request and its object. Retry on Unavailable and Unauthorized (after a wait), look again on
Conflict, list anew on Gone; the others are for a person, retrying alone cures nothing.
"""

from typing import Final

import msgspec


class ApiError(Exception):
    """The API server refused or failed; `request` is the verb and path, `status` the HTTP status or 0 for none."""

    def __init__(self, request: str, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{request}: {message}" + (f" (HTTP {status})" if status else ""))
        self.request, self.status, self.message = request, status, message
        self.retry_after = retry_after


class NotFound(ApiError):
    """There is no such object, or no such resource (its CRD is missing)."""


class Conflict(ApiError):
    """The object changed since the resourceVersion in the request, or it exists already."""


class Gone(ApiError):
    """The resourceVersion is too old: list anew."""


class Forbidden(ApiError):
    """RBAC or an admission rule does not allow it."""


class Unauthorized(ApiError):
    """The credentials are not, or no longer, valid."""


class Rejected(ApiError):
    """The request itself is wrong: a bad field, an unknown parameter."""


class Unavailable(ApiError):
    """No answer, or one that says to come again: connection errors, timeouts, 429 and 5xx."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: Unavailable,
}


class Status(msgspec.Struct, rename="camel"):
    """metav1.Status, as an error's body and as the object of a watch's ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""


_status = msgspec.json.Decoder(Status)


def decode_status(raw: bytes) -> Status:
    """The Status in `raw`; what is none (a proxy's page) gives its first line as message."""
    try:
        return _status.decode(raw)
    except msgspec.DecodeError:
        return Status(message=raw[:200].decode(errors="replace").strip())


def error_of(request: str, status: int, message: str, *, retry_after: float | None = None) -> ApiError:
    """The error that stands for an HTTP status."""
    kind = _BY_STATUS.get(status, Rejected if 400 <= status < 500 else Unavailable)
    return kind(request, status, message or "no message", retry_after=retry_after)

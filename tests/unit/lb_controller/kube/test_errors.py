"""Errors by HTTP status, and waits after failures."""

import pytest

from lb_controller.kube import errors
from lb_controller.kube.waits import wait_after

CASES = [
    (400, errors.Rejected),
    (401, errors.Unauthorized),
    (403, errors.Forbidden),
    (404, errors.NotFound),
    (409, errors.Conflict),
    (410, errors.Gone),
    (422, errors.Rejected),
    (429, errors.Unavailable),
    (500, errors.Unavailable),
    (503, errors.Unavailable),
    (0, errors.Unavailable),
]


@pytest.mark.parametrize(("status", "kind"), CASES)
def test_each_status_has_its_error_which_names_request_and_message(status: int, kind: type[errors.ApiError]) -> None:
    error = errors.error_of("GET /api/v1/services/x", status, "because")
    assert type(error) is kind
    assert str(error).startswith("GET /api/v1/services/x: because")


def test_a_body_that_is_no_status_gives_its_beginning() -> None:
    assert errors.decode_status(b'{"kind":"Status","message":"no","code":404}').message == "no"
    assert errors.decode_status(b"<html>Bad gateway</html>").message == "<html>Bad gateway</html>"


@pytest.mark.parametrize(("failures", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)])
def test_waits_lie_between_half_and_whole(failures: int, most: float) -> None:
    assert all(most / 2 <= wait_after(failures) <= most for _ in range(50))

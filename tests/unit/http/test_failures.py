"""Foreign errors and foreign answers, translated."""

import inspect
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from libs.errors import Conflict, DeadlineExceeded, Internal, NotFound, TooManyRequests, Unavailable
from libs.http.failures import (
    FOREIGN,
    MEANINGS,
    from_exception,
    from_response,
    meaning,
    retry_after,
)


def _exceptions_of_httpx() -> list[type[Exception]]:
    found = [getattr(httpx, name) for name in httpx.__all__]
    return [c for c in found if inspect.isclass(c) and issubclass(c, Exception)]


def _leaves() -> list[type[Exception]]:
    every = _exceptions_of_httpx()
    return [c for c in every if not any(o is not c and issubclass(o, c) for o in every)]


def test_httpx_has_exceptions_to_walk() -> None:
    assert len(_leaves()) > 15


@pytest.mark.parametrize("foreign", _exceptions_of_httpx())
def test_every_exception_of_httpx_is_caught(foreign: type[Exception]) -> None:
    assert issubclass(foreign, FOREIGN)
    assert meaning(foreign)


@pytest.mark.parametrize("foreign", _leaves())
def test_none_is_translated_by_the_root_alone(foreign: type[Exception]) -> None:
    nearest = next(parent for parent in foreign.__mro__ if parent in MEANINGS)
    assert nearest is not httpx.HTTPError


@pytest.mark.parametrize(
    ("foreign", "error", "again", "outage"),
    [
        (httpx.ConnectError("x"), Unavailable, True, True),
        (httpx.ConnectTimeout("x"), DeadlineExceeded, True, True),
        (httpx.ReadTimeout("x"), DeadlineExceeded, True, True),
        (httpx.RemoteProtocolError("x"), Unavailable, True, True),
        (httpx.PoolTimeout("x"), Unavailable, False, False),
        (httpx.DecodingError("x"), Unavailable, False, True),
        (httpx.UnsupportedProtocol("x"), Internal, False, False),
        (httpx.InvalidURL("x"), Internal, False, False),
    ],
)
def test_what_an_exception_means(
    foreign: Exception, error: type[Exception], again: bool, outage: bool
) -> None:
    failure = from_exception(foreign, client="rates")
    assert (type(failure.error), failure.again, failure.outage) == (error, again, outage)


def _problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        json={"code": code, "status": status, "detail": "said so"},
        headers={"content-type": "application/problem+json; charset=utf-8", **headers},
    )


def test_a_problem_is_the_error_that_the_peer_raised() -> None:
    failure = from_response(_problem(409, "conflict"), client="rates")
    assert failure is not None
    assert type(failure.error) is Conflict
    assert failure.error.detail == "said so"
    assert (failure.again, failure.outage) == (False, False)


def test_an_unknown_code_becomes_the_class_of_the_status() -> None:
    failure = from_response(_problem(404, "rates.unknown_currency"), client="rates")
    assert failure is not None
    assert type(failure.error) is NotFound


def test_retry_after_is_kept() -> None:
    answer = _problem(429, "too_many_requests", **{"retry-after": "7"})
    failure = from_response(answer, client="rates")
    assert failure is not None
    assert type(failure.error) is TooManyRequests
    assert (failure.error.retry_after, failure.again, failure.outage) == (7.0, True, False)


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 404, 409])
def test_a_foreign_answer_is_the_callers_to_judge(status: int) -> None:
    assert from_response(httpx.Response(status, text="hm"), client="rates") is None


@pytest.mark.parametrize(
    ("status", "again", "outage"),
    [(429, True, False), (500, False, True), (502, True, True), (503, True, True)],
)
def test_a_foreign_refusal_is_unavailable(status: int, again: bool, outage: bool) -> None:
    failure = from_response(httpx.Response(status), client="rates")
    assert failure is not None
    assert type(failure.error) is Unavailable
    assert (failure.again, failure.outage) == (again, outage)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"errors": 1}', b'{"errors": [1]}'])
def test_what_only_claims_to_be_a_problem_is_none(body: bytes) -> None:
    answer = httpx.Response(503, content=body, headers={"content-type": "application/problem+json"})
    failure = from_response(answer, client="rates")
    assert failure is not None
    assert type(failure.error) is Unavailable


def test_retry_after_in_seconds_or_as_a_date() -> None:
    assert retry_after(None) is None
    assert retry_after("12") == 12.0
    assert retry_after("soon") is None
    assert retry_after("-3") is None
    in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
    assert retry_after(format_datetime(in_a_minute, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0

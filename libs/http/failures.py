"""What a failed attempt means: here httpx' errors and foreign answers become ours, nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import orjson

from libs.errors import AppError, DeadlineExceeded, Internal, Unavailable, from_problem

PROBLEM = "application/problem+json"
_WORTH_RETRYING = frozenset({429, 502, 503, 504})


class AttemptError(Exception):
    """A failed attempt, on its way through breaker and retry. Never leaves `libs.http`.

    Attributes:
        error: what the caller will see.
        kind: for log and metrics.
        again: whether another attempt may succeed.
        outage: whether it counts towards opening the breaker.
        status: of the answer, if there was one.
    """

    def __init__(
        self, error: AppError, *, kind: str, again: bool, outage: bool, status: int | None = None
    ) -> None:
        super().__init__(kind)
        self.error = error
        self.kind = kind
        self.again = again
        self.outage = outage
        self.status = status


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an exception class of httpx stands for; see `AttemptError`."""

    error: type[AppError]
    again: bool
    outage: bool


_TIMED_OUT = Meaning(DeadlineExceeded, again=True, outage=True)
_GONE = Meaning(Unavailable, again=True, outage=True)
_GARBLED = Meaning(Unavailable, again=False, outage=True)
_REFUSED_HERE = Meaning(Unavailable, again=False, outage=False)
_OUR_DEFECT = Meaning(Internal, again=False, outage=False)

MEANINGS: Mapping[type[Exception], Meaning] = {
    httpx.TimeoutException: _TIMED_OUT,
    httpx.PoolTimeout: _REFUSED_HERE,
    httpx.NetworkError: _GONE,
    httpx.ProxyError: _GONE,
    httpx.RemoteProtocolError: _GONE,
    httpx.DecodingError: _GARBLED,
    httpx.TooManyRedirects: _GARBLED,
    httpx.HTTPStatusError: _GARBLED,
    httpx.LocalProtocolError: _OUR_DEFECT,
    httpx.UnsupportedProtocol: _OUR_DEFECT,
    httpx.InvalidURL: _OUR_DEFECT,
    httpx.CookieConflict: _OUR_DEFECT,
    httpx.StreamError: _OUR_DEFECT,
    httpx.HTTPError: _GARBLED,
}
FOREIGN = tuple(MEANINGS)


def meaning(foreign: type[Exception]) -> Meaning:
    """The entry of the nearest ancestor of `foreign`."""
    return next(MEANINGS[c] for c in foreign.__mro__ if c in MEANINGS)


def from_exception(foreign: Exception, *, client: str) -> AttemptError:
    """The failure that an exception of httpx stands for; `foreign` is one of `FOREIGN`."""
    what = meaning(type(foreign))
    details: dict[type[AppError], str] = {
        DeadlineExceeded: f"{client} did not answer in time",
        Unavailable: f"{client} is not available",
    }
    detail = details.get(what.error, "")
    return AttemptError(
        what.error(detail), kind=type(foreign).__name__, again=what.again, outage=what.outage
    )


def from_response(response: httpx.Response, *, client: str) -> AttemptError | None:
    """The failure that an answer stands for, or None if it is the caller's to judge.

    A problem document is the error that the peer raised. Without one (a third party, a proxy), 5xx
    and 429 mean that the peer cannot serve us now, and any other status is an answer.
    """
    status = response.status_code
    if status < 400:
        return None
    error = _problem(response)
    if error is None:
        if status < 500 and status != 429:
            return None
        error = Unavailable(f"{client} is not available")
    error.retry_after = retry_after(response.headers.get("retry-after"))
    return AttemptError(
        error,
        kind=f"http_{status}",
        again=status in _WORTH_RETRYING,
        outage=status >= 500,
        status=status,
    )


def _problem(response: httpx.Response) -> AppError | None:
    media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != PROBLEM:
        return None
    try:
        # The body's status is advisory (RFC 9457, 3.1.2): the one of the answer counts.
        return from_problem({**orjson.loads(response.content), "status": response.status_code})
    except (ValueError, TypeError, AttributeError):  # not the document that it claims to be
        return None


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())

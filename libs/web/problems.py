"""Errors as HTTP answers: `application/problem+json` (RFC 9457), for everything not 2xx or 3xx.

The only place that knows which error has which status. A problem has
`type title status detail instance code contextId`, and `errors` where single fields are wrong.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from libs import errors
from libs.context import current
from libs.errors import AppError, FieldError

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[AppError], int] = {
    errors.MalformedBody: 400,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.PreconditionRequired: 428,
    errors.TooManyRequests: 429,
    errors.DeadlineExceeded: 504,
    errors.Unavailable: 503,
    errors.Internal: 500,
}
"""By the most special class: an error has the status of its nearest ancestor here."""

_BY_STATUS: Mapping[int, type[AppError]] = {
    400: errors.MalformedBody,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.RouteNotFound,
    405: errors.MethodNotAllowed,
    406: errors.NotAcceptable,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    429: errors.TooManyRequests,
    503: errors.Unavailable,
}


def status_of(error: type[AppError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUS[cls] for cls in error.__mro__ if cls in STATUS)


def problem(
    error: AppError, *, instance: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer that says `error`.

    Args:
        error: what went wrong.
        instance: the path of the request, without its query.
        headers: further ones.
    """
    status = status_of(type(error))
    body: dict[str, Any] = {
        "type": f"urn:throughline:problem:{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "contextId": current().context_id,
    }
    if error.errors:
        body["errors"] = [
            {"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in error.errors
        ]
    response = Response(orjson.dumps(body), status_code=status, media_type=MEDIA_TYPE)
    for name, value in (headers or {}).items():
        response.headers[name] = value
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def pointer(location: Sequence[object]) -> str:
    """A pydantic location as a JSON pointer; what is not in the body keeps its place's name.

    ("body", "lines", 0, "quantity") -> "/lines/0/quantity"; ("query", "limit") -> "/query/limit".
    """
    parts = list(location)
    if parts and parts[0] == "body":
        parts = parts[1:]
    return "".join(f"/{_escape(part)}" for part in parts)


def field_errors(mistakes: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's mistakes as ours. The offending input is not repeated."""
    return [FieldError(pointer(m["loc"]), str(m["type"]), str(m["msg"])) for m in mistakes]


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 (registered for this class alone)
    return problem(error, instance=request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    mistakes = error.errors()
    if any(m["type"] == "json_invalid" for m in mistakes):
        return problem(errors.MalformedBody(), instance=request.url.path)
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    invalid = errors.InvalidInput(f"The request has {count}", errors=field_errors(mistakes))
    return problem(invalid, instance=request.url.path)


async def _http_exception(
    request: Request, error: Exception, *, routes: Sequence[Route]
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = _BY_STATUS.get(error.status_code, errors.Internal)
    headers = dict(error.headers or {})
    if kind is errors.MethodNotAllowed:
        headers["Allow"] = ", ".join(_allowed(request, routes))  # the exception's is of one route
    return problem(kind(), instance=request.url.path, headers=headers)


def _allowed(request: Request, routes: Sequence[Route]) -> list[str]:
    """The methods of all routes with the request's path."""
    same = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in same for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


async def _unexpected(request: Request, _: Exception) -> Response:
    # The traceback is logged by the request layer, to which Starlette raises the exception again.
    detail = "The details are in the log, under this contextId"
    return problem(errors.Internal(detail), instance=request.url.path)


def install(app: FastAPI, routes: Sequence[Route]) -> None:
    """Let `app` answer every error with a problem; `routes` are all that it has."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, partial(_http_exception, routes=routes))
    app.add_exception_handler(Exception, _unexpected)

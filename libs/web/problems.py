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
from libs.web import deprecation
from libs.web.errors import HeadTooLarge
from libs.web.pointers import pointer

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1.0
"""What is said to wait where the error does not know better."""

MAX_MISTAKES = 50
"""How many are listed: an answer must not be many times larger than its request."""

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
    HeadTooLarge: 431,
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


def type_of(error: type[AppError]) -> str:
    """The URI that stands for an error class."""
    return f"urn:throughline:problem:{error.code}"


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
        "type": type_of(type(error)),
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "contextId": current().context_id,
    }
    if error.errors:
        body["errors"] = [
            {"pointer": e.pointer, "code": e.code, "detail": e.detail}
            for e in error.errors[:MAX_MISTAKES]
        ]
    response = Response(orjson.dumps(body), status_code=status, media_type=MEDIA_TYPE)
    for name, value in (headers or {}).items():
        response.headers[name] = value
    wait = error.retry_after
    if wait is None and isinstance(error, errors.Unavailable | errors.TooManyRequests):
        wait = RETRY_AFTER_S
    if wait is not None:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def field_errors(mistakes: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's mistakes as ours. The offending input is not repeated."""
    return [FieldError(pointer(m["loc"]), str(m["type"]), str(m["msg"])) for m in mistakes]


def _answer(
    request: Request, error: AppError, headers: Mapping[str, str] | None = None
) -> Response:
    of_route = deprecation.headers(request.scope.get("route"))
    return problem(error, instance=request.url.path, headers={**of_route, **(headers or {})})


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 (registered for this class alone)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    mistakes = error.errors()
    if any(m["type"] == "json_invalid" for m in mistakes):
        return _answer(request, errors.MalformedBody())
    detail = f"The request has {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    if len(mistakes) > MAX_MISTAKES:
        detail += f", of which {MAX_MISTAKES} are listed"
    listed = field_errors(mistakes[:MAX_MISTAKES])
    return _answer(request, errors.InvalidInput(detail, errors=listed))


async def _http_exception(
    request: Request, error: Exception, *, routes: Sequence[Route]
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = _BY_STATUS.get(error.status_code, errors.Internal)
    headers = dict(error.headers or {})
    if kind is errors.MethodNotAllowed:
        headers["Allow"] = ", ".join(_allowed(request, routes))  # the exception's is of one route
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    return _answer(request, kind(), headers)


def _allowed(request: Request, routes: Sequence[Route]) -> list[str]:
    """The methods of all routes with the request's path."""
    same = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in same for method in route.methods or ()}
    methods = methods or {"GET"}  # a file
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


async def _unexpected(request: Request, _: Exception) -> Response:
    # The traceback is logged by the request layer, to which Starlette raises the exception again.
    return _answer(request, errors.Internal("The details are in the log, under this contextId"))


def install(app: FastAPI, routes: Sequence[Route]) -> None:
    """Let `app` answer every error with a problem; `routes` are all that it has."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, partial(_http_exception, routes=routes))
    app.add_exception_handler(Exception, _unexpected)

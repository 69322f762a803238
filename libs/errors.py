"""The tree of errors that the code raises on purpose, and the catalogue of their codes.

    AppError
    ├── InvalidInput            the request cannot be understood or breaks a rule
    │   ├── MalformedBody
    │   ├── PayloadTooLarge
    │   └── UnsupportedMediaType
    ├── Unauthenticated         no valid credentials
    ├── PermissionDenied        valid credentials, not enough rights
    ├── NotFound                nothing there that the caller may see
    │   └── RouteNotFound
    ├── MethodNotAllowed
    ├── NotAcceptable
    ├── Conflict                the state does not admit it, now
    │   └── LostRace            a concurrent change was in the way: the same again may succeed
    ├── PreconditionFailed      If-Match does not hold
    ├── PreconditionRequired    If-Match is missing
    ├── TooManyRequests
    ├── Unavailable             a dependency is down or slow: try again later
    │   └── DeadlineExceeded
    └── Internal                a defect: the details are in the log, under the contextId

Nothing here knows of HTTP: `libs/web/problems.py` has the one mapping to status codes. A domain's
own errors derive from these, in its `errors.py`. Foreign exceptions (driver, client library) are
translated once, at the boundary that calls them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with an input.

    Attributes:
        pointer: where, as a JSON pointer (RFC 6901) into the body, or `/query/limit`,
            `/header/If-Match`, `/path/id`.
        code: what kind of mistake, for programs.
        detail: the same for people.
    """

    pointer: str
    code: str
    detail: str


class AppError(Exception):
    """An error with a code of the catalogue.

    Attributes:
        code: stable, for programs; dotted when it belongs to a domain.
        title: the same for every occurrence, for people.
        detail: this occurrence, for people; must be fit for the caller's eyes.
        retry_after: seconds after which trying again makes sense, if it does.
        errors: the single mistakes of an `InvalidInput`.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after = retry_after
        self.errors = tuple(errors)


class InvalidInput(AppError):
    code = "invalid_input"
    title = "The request is not valid"


class MalformedBody(InvalidInput):
    code = "malformed_body"
    title = "The request body is not valid JSON"


class PayloadTooLarge(InvalidInput):
    code = "payload_too_large"
    title = "The request body is too large"


class UnsupportedMediaType(InvalidInput):
    code = "unsupported_media_type"
    title = "The request body has a media type that is not supported"


class Unauthenticated(AppError):
    code = "unauthenticated"
    title = "Valid credentials are needed"


class PermissionDenied(AppError):
    code = "permission_denied"
    title = "The credentials do not permit this"


class NotFound(AppError):
    code = "not_found"
    title = "There is no such resource"


class RouteNotFound(NotFound):
    code = "route_not_found"
    title = "There is no such path"


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    title = "The method is not allowed for this path"


class NotAcceptable(AppError):
    code = "not_acceptable"
    title = "No representation that the client accepts"


class Conflict(AppError):
    code = "conflict"
    title = "The current state does not admit this"


class LostRace(Conflict):
    code = "lost_race"
    title = "The data were changed by someone else at the same time"


class PreconditionFailed(AppError):
    code = "precondition_failed"
    title = "The resource has changed"


class PreconditionRequired(AppError):
    code = "precondition_required"
    title = "An If-Match header is needed"


class TooManyRequests(AppError):
    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(AppError):
    code = "unavailable"
    title = "A part of the system is not available"


class DeadlineExceeded(Unavailable):
    code = "deadline_exceeded"
    title = "The work took longer than it may"


class Internal(AppError):
    code = "internal"
    title = "Something went wrong on our side"


def _family(parent: type[AppError]) -> Iterator[type[AppError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _family(child)


def catalogue() -> dict[str, type[AppError]]:
    """Every code of the classes that are loaded, in alphabetical order.

    Raises:
        ValueError: two classes use one code.
    """
    found: dict[str, type[AppError]] = {}
    for error in _family(AppError):
        other = found.setdefault(error.code, error)
        if other is not error:
            raise ValueError(f"{other.__name__} and {error.__name__} share the code {error.code!r}")
    return dict(sorted(found.items()))


def from_problem(body: Mapping[str, Any]) -> AppError:
    """The error that another module answered with, from its problem document (RFC 9457).

    A code that is not in this process' catalogue (a domain's own, of a module that is not loaded
    here) becomes the general class of its status.
    """
    by_status = {
        400: InvalidInput,
        401: Unauthenticated,
        403: PermissionDenied,
        404: NotFound,
        409: Conflict,
        412: PreconditionFailed,
        422: InvalidInput,
        428: PreconditionRequired,
        429: TooManyRequests,
        503: Unavailable,
        504: DeadlineExceeded,
    }
    known = catalogue().get(str(body.get("code")))
    error = known or by_status.get(int(body.get("status", 500)), Internal)
    fields = [
        FieldError(str(e.get("pointer", "")), str(e.get("code", "")), str(e.get("detail", "")))
        for e in body.get("errors", ())
    ]
    return error(str(body.get("detail", "")), errors=fields)

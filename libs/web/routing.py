"""How modules declare their routes, and what every route does besides its own work.

400    the body is not JSON that can be worked with (`libs/web/bodies.py`)
406    the client does not accept what the route answers with
415    the body has another media type than the route reads
422    a query parameter is not known, or a text has a NUL
304    the client has what it asks for: `If-None-Match` names the answer's ETag
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Request, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from libs.errors import FieldError, InvalidInput, NotAcceptable, UnsupportedMediaType
from libs.web import deprecation
from libs.web.bodies import FormRequest, JsonRequest, refuse_nul
from libs.web.conditional import matches
from libs.web.lean import Handler, handler
from libs.web.pointers import pointer

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
FORM: Final = "application/x-www-form-urlencoded"

_NOT_IN_304: Final = frozenset({b"content-length", b"content-type"})


class Route(APIRoute):
    """A route of a module.

    Attributes:
        reads: the media types of its body; none: it has no body.
        answers: the media type of its answers.
        respond: answers a request.
        prepared: whether `respond` needs nothing of FastAPI (`libs/web/lean.py`).
    """

    reads: tuple[str, ...]
    answers: str
    respond: Handler
    prepared: bool

    def get_route_handler(self) -> Handler:
        self.reads = _reads(self)
        self.answers = getattr(self.response_class, "media_type", None) or JSON
        ending = deprecation.headers(self)
        self.deprecated = self.deprecated or bool(ending)
        lean = handler(self.dependant, self.body_field, embedded=self._embed_body_fields)
        self.prepared = lean is not None
        inner = self._reading(lean or super().get_route_handler())
        parameters = _query_parameters(self.dependant)

        async def answer(request: Request) -> Response:
            _require_acceptable(request, self.answers)
            if "\0" in request.scope["path"]:
                refuse_nul(("path", n) for n, v in request.path_params.items() if "\0" in v)
            if request.scope["query_string"]:
                _require_known_query(request, parameters)
            response = await inner(request)
            for name, value in ending.items():
                response.headers.append(name, value)
            return _unless_known(request, response)

        self.respond = answer
        return answer

    def _reading(self, inner: Handler) -> Handler:
        """`inner` behind the reading of the body."""
        reads = self.reads
        kind = FormRequest if reads == (FORM,) else JsonRequest

        async def read(request: Request) -> Response:
            _require_media_type(request, reads)
            parsed = kind(request.scope, request.receive)
            await parsed.parse()
            return await inner(parsed)

        return read if reads else inner


def api_router(*, tag: str, prefix: str = "") -> APIRouter:
    """A router for a domain's routes.

    Args:
        tag: groups the routes in the docs.
        prefix: of all paths.
    """
    return APIRouter(route_class=Route, prefix=prefix, tags=[tag])


def _reads(route: APIRoute) -> tuple[str, ...]:
    if route.body_field is None:
        return ()
    if isinstance(route.body_field.field_info, params.Form):
        return (FORM,)
    return (MERGE_PATCH, JSON) if "PATCH" in (route.methods or ()) else (JSON,)


def _require_media_type(request: Request, accepted: tuple[str, ...]) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(accepted)}")


def _require_acceptable(request: Request, media_type: str) -> None:
    accept = request.headers.get("accept")
    if accept in (None, "*/*", media_type):
        return
    given = ", ".join(request.headers.getlist("accept"))
    if not (accepts(given, media_type) or (media_type.endswith("+json") and accepts(given, JSON))):
        raise NotAcceptable(f"Answers are {media_type}")


def accepts(accept: str, media_type: str) -> bool:
    """Whether an Accept header admits `media_type` (RFC 9110, 12.5.1).

    The most special range that fits decides, so that `application/json;q=0, */*` does not.
    """
    ranges: dict[str, bool] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            ranges[name] = not any(map(_is_zero, parameters))
    general = media_type.partition("/")[0]
    fitting = (ranges[name] for name in (media_type, f"{general}/*", "*/*") if name in ranges)
    return next(fitting, not ranges)


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", "0.", ".")


def _query_parameters(dependant: Dependant) -> frozenset[str] | None:
    """The names of a route's query parameters; None: a model has them, which refuses others."""
    names: set[str] = set()
    for field in _query_fields(dependant):
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return None
        names.add(field.alias)
    return frozenset(names)


def _query_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _query_fields(inner)


def _require_known_query(request: Request, parameters: frozenset[str] | None) -> None:
    given = request.query_params.multi_items()
    if b"%00" in request.scope["query_string"]:
        refuse_nul(("query", name) for name, value in given if "\0" in name + value)
    if parameters is None:
        return
    if unknown := {name for name, _ in given} - parameters:
        detail = "There is no such parameter"
        places = (pointer(("query", name)) for name in sorted(unknown))
        wrong = [FieldError(place, "extra_forbidden", detail) for place in places]
        raise InvalidInput("A query parameter is not known", errors=wrong)


def _unless_known(request: Request, response: Response) -> Response:
    """`response`, or 304 if the client has it already."""
    known = request.headers.get("if-none-match")
    if known is None or request.method != "GET" or response.status_code != 200:
        return response
    tag = response.headers.get("etag")
    if tag is None or not matches(", ".join(request.headers.getlist("if-none-match")), tag):
        return response
    unchanged = Response(status_code=304)
    unchanged.raw_headers += [(n, v) for n, v in response.raw_headers if n not in _NOT_IN_304]
    return unchanged

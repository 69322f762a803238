"""FastAPI's routes, without what FastAPI finds out anew at each request.

FastAPI declares: parameters, guards, the OpenAPI document. What it does at a request, look through
the declaration, solve each dependency with exit stacks, caches and overrides, costs more than all
the rest of a cached answer. Here that is prepared once for each route; values are validated by the
same fields, so that answers and errors are the same (a test holds the two together).

A route that asks for more than this knows is left to FastAPI: see `handler`.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_type_hints

from fastapi import Request, params
from fastapi._compat import (
    ModelField,
    Undefined,
    field_annotation_is_sequence,
    get_cached_model_fields,
    get_missing_field_error,
)
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Json
from starlette.responses import Response

from libs.auth.guards import Guard

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Values = dict[str, Any]
Mistakes = list[Any]

_Read = Callable[[Request, Values, Mistakes], None]
"""Takes parameters out of a request."""

_MISSING: Final = object()


class _TooMuch(Exception):
    """The route asks for something that is FastAPI's to do."""


def handler(dependant: Dependant, body: ModelField | None, *, embedded: bool) -> Handler | None:
    """What answers requests of a route; None: it is one for FastAPI.

    Such are routes that answer with anything but a finished response, and those with dependencies
    that are not coroutine functions, with parameters of FastAPI's own making (background tasks,
    the response to be), with forms, or with several bodies.
    """
    is_form = isinstance(getattr(body, "field_info", None), params.Form)
    if embedded or is_form or not _answers_with_response(dependant.call):
        return None
    try:
        node = _node(dependant)
    except _TooMuch:
        return None
    endpoint = cast("Callable[..., Awaitable[Response]]", node.call)

    async def answer(request: Request) -> Response:
        given = await request.json() if body and await request.body() else Undefined
        mistakes: Mistakes = []
        values = await _solve(node, request, given, mistakes, {})
        if mistakes:
            raise RequestValidationError(mistakes, body=given)
        return await endpoint(**values)

    return answer


@dataclass(frozen=True, slots=True)
class _Node:
    """A function to be called, and what for."""

    call: Callable[..., Awaitable[Any]]
    name: str | None
    inner: tuple["_Node", ...]
    reads: tuple[_Read, ...]
    body: ModelField | None
    takes_request: str | None


async def _solve(
    node: _Node, request: Request, body: Any, mistakes: Mistakes, known: dict[Any, Any]
) -> Values:
    """The arguments of the node's function. Of no use if there are mistakes."""
    values: Values = {}
    for inner in node.inner:
        value = known.get(inner.call, _MISSING)
        if value is _MISSING:
            before = len(mistakes)
            arguments = await _solve(inner, request, body, mistakes, known)
            if len(mistakes) > before:
                continue
            value = known[inner.call] = await inner.call(**arguments)
        if inner.name is not None:
            values[inner.name] = value
    for read in node.reads:
        read(request, values, mistakes)
    if node.body is not None:
        _validated(node.body, body, ("body",), values, mistakes)
    if node.takes_request is not None:
        values[node.takes_request] = request
    return values


def _node(dependant: Dependant) -> _Node:
    call: Any = dependant.call
    if isinstance(call, Guard):  # its own dependencies are for the document
        return _Node(call.admit, dependant.name, (), (), None, "request")
    for wanted in (
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    ):
        if wanted is not None:
            raise _TooMuch
    if len(dependant.body_params) > 1 or not _is_coroutine(call) or not dependant.use_cache:
        raise _TooMuch
    reads = (
        *(_reading(field, _path) for field in dependant.path_params),
        *(_reading(field, _query) for field in dependant.query_params),
        *(_reading(field, _headers) for field in dependant.header_params),
        *(_reading(field, _cookies) for field in dependant.cookie_params),
    )
    return _Node(
        call=cast("Callable[..., Awaitable[Any]]", call),
        name=dependant.name,
        inner=tuple(map(_node, dependant.dependencies)),
        reads=reads,
        body=dependant.body_params[0] if dependant.body_params else None,
        takes_request=dependant.request_param_name,
    )


def _is_coroutine(call: Any) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 (its kind is asked for)
    )


def _answers_with_response(endpoint: Any) -> bool:
    hints = get_type_hints(endpoint)
    kind = hints.get("return")
    return isinstance(kind, type) and issubclass(kind, Response)


_Source = Callable[[Request], Mapping[str, Any]]


def _path(request: Request) -> Mapping[str, Any]:
    return request.path_params


def _query(request: Request) -> Mapping[str, Any]:
    return request.query_params


def _headers(request: Request) -> Mapping[str, Any]:
    return request.headers


def _cookies(request: Request) -> Mapping[str, Any]:
    return request.cookies


def _reading(field: ModelField, source: _Source) -> _Read:
    """What takes `field` out of a request."""
    info = field.field_info
    if _is_plain_model(info.annotation) and source is _query:
        return _model_reading(field)
    if _is_single(field) and (source in (_path, _query) or info.alias is not None):
        return _single_reading(field, source)

    def read(request: Request, values: Values, mistakes: Mistakes) -> None:
        found, wrong = request_params_to_args((field,), source(request))
        values.update(found)
        mistakes.extend(wrong)

    return read


def _single_reading(field: ModelField, source: _Source) -> _Read:
    info = cast("params.Param", field.field_info)
    name = field.alias
    place = (info.in_.value, name)

    def read(request: Request, values: Values, mistakes: Mistakes) -> None:
        given = source(request).get(name)
        _validated(field, Undefined if given is None else given, place, values, mistakes)

    return read


def _model_reading(field: ModelField) -> _Read:
    def read(request: Request, values: Values, mistakes: Mistakes) -> None:
        given = dict(request.query_params) if request.scope["query_string"] else {}
        _validated(field, given, ("query",), values, mistakes)

    return read


def _validated(
    field: ModelField,
    given: Any,
    place: tuple[str, ...],
    values: Values,
    mistakes: Mistakes,
) -> None:
    if given is Undefined:
        if field.field_info.is_required():
            mistakes.append(get_missing_field_error(place))
        else:
            values[field.name] = field.get_default()
        return
    value, wrong = field.validate(given, values, loc=place)
    if wrong:
        mistakes.extend(wrong)
    else:
        values[field.name] = value


def _is_single(field: ModelField) -> bool:
    """Whether the parameter is one text: no list, no model, no second name."""
    info = field.field_info
    annotation = info.annotation
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    is_json = any(type(item) is Json for item in info.metadata)
    renamed = info.validation_alias not in (None, info.alias)
    return not (is_model or is_json or renamed or field_annotation_is_sequence(annotation))


def _is_plain_model(annotation: Any) -> bool:
    """Whether the query is a model of single texts, so that it is the query as a dictionary."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return False
    return all(map(_is_single, get_cached_model_fields(annotation)))

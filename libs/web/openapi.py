"""The OpenAPI document: what FastAPI finds in the routes, and what all routes have in common.

A route names in `problems(...)` the errors that are its own. The others follow from what the route
is: a body can be malformed, a guard can refuse, a version can be stale. They are added here, with
the headers of the answers, and with an example of everything that has a schema.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from libs import errors
from libs.auth.guards import Holder
from libs.auth.permissions import ROLES
from libs.errors import AppError
from libs.web import deprecation, documented
from libs.web.conditional import required_precondition
from libs.web.examples import Examples, resolve
from libs.web.pagination import InvalidCursor
from libs.web.problems import MEDIA_TYPE, status_of
from libs.web.routing import Route

Document = dict[str, Any]
Object = dict[str, Any]

GUARDED: Final = (errors.Unauthenticated, errors.PermissionDenied)
WITH_BODY: Final = (
    errors.MalformedBody,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidInput,
)
OF_EVERY_MODULE: Final = (errors.NotAcceptable, errors.TooManyRequests, errors.Unavailable)


def operation_id(route: APIRoute) -> str:
    """The name of a route in generated clients."""
    return to_camel(route.name)


def problems(*specific: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that raises these, beside what every route like it may raise."""
    return {
        status: {"content": {MEDIA_TYPE: {"examples": {error.code: {} for error in of_status}}}}
        for status, of_status in _by_status(specific).items()
    }


def describe(document: Document, routes: Iterable[APIRoute]) -> Document:
    """`document`, completed.

    Args:
        document: FastAPI's.
        routes: all that it describes.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's, which nothing answers
        schemas.pop(name, None)
    schemas |= documented.SCHEMAS
    components |= {"headers": dict(documented.HEADERS), "responses": {}, "examples": {}}
    examples = Examples(schemas)
    by_place = {(r.path_format, m.lower()): r for r in routes for m in r.methods or ()}
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            route = by_place[path, method]
            _Description(operation, method, route, components, examples).complete()
    return document


@dataclass(frozen=True)
class _Description:
    """That of one operation."""

    operation: Object
    method: str
    route: APIRoute
    components: Object
    examples: Examples

    def complete(self) -> None:
        responses: Object = self.operation["responses"]
        raised = {*self._named(responses), *self._implied()}
        own = {s: r for s, r in responses.items() if MEDIA_TYPE not in r.get("content", {})}
        if "HTTPValidationError" in str(own.get("422")):
            del own["422"]
        self._tell_who()
        self._tell_the_end()
        self._complete_input()
        for status, response in own.items():
            self._complete_answer(int(status), response)
        if self.method == "get" and "ETag" in own["200"]["headers"]:
            own["304"] = _not_modified()
        told = {str(s): self._problem(s, e) for s, e in _by_status(raised).items()}
        self.operation["responses"] = dict(sorted({**told, **own}.items()))

    def _named(self, responses: Mapping[str, Any]) -> Iterator[type[AppError]]:
        """The errors that the route names."""
        known = errors.catalogue()
        for response in responses.values():
            for code in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", ()):
                yield known[code]

    def _implied(self) -> Iterator[type[AppError]]:
        """The errors that follow from what the route is."""
        names = {p["name"] for p in self.operation.get("parameters", ())}
        yield errors.DeadlineExceeded
        if isinstance(self.route, Route):
            yield from OF_EVERY_MODULE
            if self.method != "get":
                yield errors.LostRace
        if self.operation.get("security"):
            yield from GUARDED
        if "requestBody" in self.operation:
            yield from WITH_BODY
        if names:
            yield errors.InvalidInput
        if "If-Match" in names:
            yield errors.PreconditionFailed
        if self._needs_a_precondition():
            yield errors.PreconditionRequired
        if "cursor" in names:
            yield InvalidCursor

    def _needs_a_precondition(self) -> bool:
        return required_precondition in _calls(self.route.dependant)

    def _tell_who(self) -> None:
        """Who may call it. Everybody is said as well: no scheme could be an oversight."""
        self.operation.setdefault("security", [])
        guards = [call for call in _calls(self.route.dependant) if isinstance(call, Holder)]
        if guards:
            permission = guards[0].permission
            roles = sorted(role for role, granted in ROLES.items() if permission in granted)
            self.operation["x-roles"] = roles
            told = f"For the roles {', '.join(f'`{role}`' for role in roles)}."
            before = self.operation.get("description")
            self.operation["description"] = f"{before}\n\n{told}" if before else told

    def _tell_the_end(self) -> None:
        if (end := deprecation.of(self.route)) is not None:
            self.operation.update({"deprecated": True, "x-sunset": end.sunset.isoformat()})

    def _complete_input(self) -> None:
        for parameter in self.operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])
            if parameter["name"] == "If-Match":  # for FastAPI it is not: there is an own error
                parameter["required"] = self._needs_a_precondition()
        body = self.operation.get("requestBody")
        if body is not None and isinstance(self.route, Route):
            (content,) = body["content"].values()
            self._add_example(content)
            body["content"] = {media_type: dict(content) for media_type in self.route.reads}

    def _complete_answer(self, status: int, response: Object) -> None:
        """What is answered if all is well."""
        schemas: list[Mapping[str, Any]] = []
        for content in response.get("content", {}).values():
            self._add_example(content)
            schemas.append(resolve(content.get("schema", {}), self.components["schemas"]))
        names = ["X-Context-Id", *(documented.LIMITS if isinstance(self.route, Route) else ())]
        fields = {
            n: field for schema in schemas for n, field in schema.get("properties", {}).items()
        }
        if status == 201:
            names.append("Location")
        if fields.get("version", {}).get("type") == "integer":
            names.append("ETag")
        if {"items", "nextCursor"} <= fields.keys():
            names.append("Link")
        if any(p["name"] == "Idempotency-Key" for p in self.operation.get("parameters", ())):
            names.append("Idempotency-Replayed")
        response["headers"] = _headers(*names, **self._headers_of_the_end())

    def _headers_of_the_end(self) -> Object:
        end = deprecation.headers(self.route)
        return {n: {"schema": {"type": "string"}, "example": value} for n, value in end.items()}

    def _add_example(self, content: Object) -> None:
        if content.get("schema") and not {"example", "examples"} & content.keys():
            content["example"] = self.examples.of(content["schema"])

    def _problem(self, status: int, of_status: Sequence[type[AppError]]) -> Object:
        """A reference to the response, which operations with the same errors share."""
        name = "_or_".join(error.code for error in of_status)
        for error in of_status:
            shown = {"summary": error.title, "value": documented.problem(error)}
            self.components["examples"].setdefault(error.code, shown)
        self.components["responses"].setdefault(name, _problem(status, of_status))
        return {"$ref": f"#/components/responses/{name}"}


def _by_status(kinds: Iterable[type[AppError]]) -> dict[int, list[type[AppError]]]:
    found: defaultdict[int, list[type[AppError]]] = defaultdict(list)
    for error in sorted(set(kinds), key=lambda error: error.code):
        found[status_of(error)].append(error)
    return dict(sorted(found.items()))


def _calls(dependant: Dependant) -> Iterator[object]:
    """All that a route depends on, itself included."""
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def _without_null(schema: Object) -> Object:
    """A parameter's schema: one that is left out is not null."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) != 1:
        return schema
    return {**branches[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def _problem(status: int, of_status: Sequence[type[AppError]]) -> Object:
    examples = {e.code: {"$ref": f"#/components/examples/{e.code}"} for e in of_status}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    return {
        "description": "; ".join(f"`{error.code}`: {error.title}" for error in of_status),
        "headers": _headers(*documented.OF_ALL, *documented.OF_PROBLEMS.get(status, ())),
        "content": {MEDIA_TYPE: content},
    }


def _not_modified() -> Object:
    return {
        "description": "The client has it already: `If-None-Match` names its `ETag`",
        "headers": _headers(*documented.OF_ALL, "ETag"),
    }


def _headers(*names: str, **more: Object) -> Object:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names} | more

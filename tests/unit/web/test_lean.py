"""Routes that are prepared: they answer as FastAPI alone would."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, Form, Header, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.errors import Conflict
from libs.schema import Schema
from libs.web.dispatch import Dispatcher
from libs.web.routing import Route
from tests.unit.web.app import application
from tests.unit.web.tokens import KEY, claims, sign

ID = "0192f0c0-0000-7000-8000-000000000007"
JSON = {"content-type": "application/json"}


class Colour(StrEnum):
    RED = "red"


class Wanted(Schema):
    colour: Colour | None = None
    most: int = Field(20, ge=1, le=100)


class Line(Schema):
    quantity: int = Field(ge=1, strict=True)


class Thing(Schema):
    name: str
    lines: tuple[Line, ...] = ()


async def _size(size: Annotated[int, Header(alias="X-Size", ge=1)] = 1) -> int:
    return size


async def _double(size: Annotated[int, Depends(_size)]) -> int:
    return 2 * size


def _shown(**values: Any) -> Response:
    return Response(orjson.dumps(values, default=str), media_type="application/json")


def _router(kind: type[APIRoute]) -> APIRouter:
    routes = APIRouter(route_class=kind, dependencies=[anyone])

    @routes.get("/v1/things")
    async def things(query: Annotated[Wanted, Query()]) -> Response:
        return _shown(colour=query.colour, most=query.most)

    @routes.get("/v1/things/count")
    async def number(
        x: Annotated[int, Query(alias="x-y", le=9)], names: Annotated[tuple[str, ...], Query()] = ()
    ) -> Response:
        return _shown(x=x, names=names)

    @routes.get("/v1/things/{id}")
    async def thing(thing_id: Annotated[UUID, Path(alias="id")]) -> Response:
        return _shown(id=thing_id)

    @routes.get("/v1/things/{id}/parts/{part}")
    async def part(request: Request, id: str, part: int) -> Response:  # noqa: A002
        return _shown(id=id, part=part, path=request.url.path, values=request.path_params)

    @routes.post("/v1/things")
    async def make(
        thing: Thing, key: Annotated[str, Header(alias="X-Key", max_length=5)]
    ) -> Response:
        return _shown(thing=thing.model_dump(), key=key)

    @routes.patch("/v1/things/{id}")
    async def change(id: UUID, thing: Thing | None = None) -> Response:  # noqa: A002
        return _shown(id=id, thing=None if thing is None else thing.model_dump())

    @routes.get("/v1/sizes")
    async def sizes(
        size: Annotated[int, Depends(_size)], double: Annotated[int, Depends(_double)]
    ) -> Response:
        return _shown(size=size, double=double)

    @routes.get("/v1/mine")
    async def mine(
        principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)], n: int
    ) -> Response:
        return _shown(subject=principal.subject, n=n)

    @routes.get("/v1/sold")
    async def sold() -> Response:
        raise Conflict("Sold")

    @routes.get("/v1/crash")
    async def crash() -> Response:
        raise LookupError

    _add_those_for_fastapi(routes)
    return routes


def _add_those_for_fastapi(routes: APIRouter) -> None:
    @routes.get("/v1/models")
    async def models() -> Thing:
        return Thing(name="x")

    @routes.get("/v1/later")
    async def later(tasks: BackgroundTasks) -> Response:
        tasks.add_task(_size)
        return _shown(later=True)

    @routes.post("/v1/forms")
    async def forms(name: Annotated[str, Form()]) -> Response:
        return _shown(name=name)


FOR_FASTAPI = {"/v1/models", "/v1/later", "/v1/forms"}

AUTHORIZED = {"authorization": f"Bearer {sign(claims(sub='user-1'))}"}
THING = b'{"name": "x", "lines": [{"quantity": 2}]}'

REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    *(("GET", f"/v1/things?{query}", {}, b"") for query in ("", "colour=red&most=3", "most=100")),
    *(("GET", f"/v1/things?{query}", {}, b"") for query in ("most=0", "most=x&colour=blue")),
    *(("GET", f"/v1/things?{query}", {}, b"") for query in ("most=1&most=2", "colour=", "other=1")),
    ("GET", "/v1/things/count?x-y=3&names=a&names=b", {}, b""),
    *(("GET", f"/v1/things/count{query}", {}, b"") for query in ("", "?x-y=10", "?x-y=")),
    *(("GET", f"/v1/things/{each}", {}, b"") for each in (ID, "x", ID.upper(), "{}", "%20", "%2F")),
    *(("GET", f"/v1/things/a%20b/parts/{each}", {}, b"") for each in ("7", "x")),
    ("GET", "/v1/things/", {}, b""),
    ("GET", "//v1/things", {}, b""),
    ("GET", "/v1/nothing", {}, b""),
    ("DELETE", "/v1/things", {}, b""),
    ("DELETE", "/v1/things/count", {}, b""),
    ("POST", "/v1/things", {**JSON, "x-key": "k"}, THING),
    ("POST", "/v1/things", JSON, THING),
    ("POST", "/v1/things", {**JSON, "x-key": "longer"}, THING),
    ("POST", "/v1/things", {**JSON, "x-key": "k"}, b""),
    ("POST", "/v1/things", {**JSON, "x-key": "k"}, b"null"),
    ("POST", "/v1/things", {**JSON, "x-key": "k"}, b"[]"),
    ("POST", "/v1/things", JSON, b'{"lines": [{"quantity": "2", "more": 1}]}'),
    ("PATCH", f"/v1/things/{ID}", JSON, THING),
    ("PATCH", f"/v1/things/{ID}", JSON, b"null"),
    ("PATCH", "/v1/things/x", JSON, b'{"name": 1}'),
    *(("GET", "/v1/sizes", {"x-size": size}, b"") for size in ("3", "0", "x", "")),
    ("GET", "/v1/sizes", {}, b""),
    *(("GET", f"/v1/mine?n={n}", AUTHORIZED, b"") for n in ("1", "x")),
    ("GET", "/v1/mine", AUTHORIZED, b""),
    ("GET", "/v1/mine?n=1", {}, b""),
    ("GET", "/v1/mine", {"authorization": "Bearer "}, b""),
    ("GET", "/v1/mine", {"authorization": "Basic eDp5"}, b""),
    ("GET", "/v1/mine", {"authorization": "bearer forged"}, b""),
    ("GET", "/v1/sold", {}, b""),
    ("GET", "/v1/crash", {}, b""),
    *(("GET", path, {}, b"") for path in ("/v1/models", "/v1/later")),
    ("POST", "/v1/forms", {"content-type": "application/x-www-form-urlencoded"}, b"name=x"),
]


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.public]}


def _client(served: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def fastapi() -> AsyncIterator[httpx.AsyncClient]:
    verifier = TokenVerifier(_keys, TokenSettings())
    async with _client(application([_router(APIRoute)], verifier=verifier)) as http:
        yield http


@pytest.fixture
async def ours() -> AsyncIterator[httpx.AsyncClient]:
    app = application([_router(Route)], verifier=TokenVerifier(_keys, TokenSettings()))
    async with _client(Dispatcher(app, app.state.routes)) as http:
        yield http


def _comparable(answer: httpx.Response) -> tuple[int, object, dict[str, str]]:
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body.pop("contextId", None)
        body.pop("detail", None)  # what is wrong with a body's syntax is told in other words
    headers = {n: v for n, v in answer.headers.items() if n != "content-length"}
    return answer.status_code, body, headers


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: f"{r[0]} {r[1]} {len(r[3])}")
async def test_an_answer_is_that_of_fastapi(
    request_: tuple[str, str, dict[str, str], bytes],
    ours: httpx.AsyncClient,
    fastapi: httpx.AsyncClient,
) -> None:
    method, target, headers, body = request_
    given, expected = [
        await http.request(method, target, headers=headers, content=body)
        for http in (ours, fastapi)
    ]
    if given.status_code >= 500 or expected.status_code >= 500:  # the layer's to answer
        assert (given.status_code, expected.status_code) == (500, 500)
    else:
        assert _comparable(given) == _comparable(expected)


def test_what_is_prepared_is_what_needs_nothing_of_fastapi() -> None:
    routes = [route for route in _router(Route).routes if isinstance(route, Route)]
    assert {route.path for route in routes if not route.prepared} == FOR_FASTAPI

"""The OpenAPI document says what all routes have in common, without being told at each."""

from typing import Annotated, Any, cast

import httpx
import orjson
import pytest
from fastapi import APIRouter, Form, Query, Request
from pydantic import Field
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.errors import Conflict
from libs.ids import uuid7
from libs.schema import Currency, Schema
from libs.web.conditional import IfMatch, OptionalIfMatch
from libs.web.examples import Examples
from libs.web.idempotency import IdempotencyKey
from libs.web.openapi import problems
from libs.web.pagination import Cursor, Limit, Page
from libs.web.routing import api_router
from services.cli import process
from tests.check.api_document import gaps
from tests.unit.web.app import application, client
from tests.unit.web.things import Sold


class Busy(Conflict):
    code = "things.busy"
    title = "The thing is being worked on"


class Maker(Schema):
    name: Annotated[str, Field(examples=["Ada"])]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", examples=["DE"])] = "FR"


class Wanted(Schema):
    name: str = Field(min_length=2, examples=["Clock"])
    price: Currency | None = None
    maker: Maker | None = None
    count: int = Field(1, ge=1)


class Thing(Wanted):
    version: int


class ThingPage(Page[Thing]):
    pass


def _router() -> APIRouter:
    routes = api_router(tag="things", prefix="/v1/things")
    guard = require(Permission.ORDERS_MANAGE)

    @routes.get("", summary="Things", response_model=ThingPage, dependencies=[guard])
    async def list_things(
        limit: Annotated[Limit, Query()] = 20, cursor: Annotated[Cursor | None, Query()] = None
    ) -> Response:
        raise NotImplementedError

    @routes.get(
        "/{thing_id}",
        summary="A thing",
        response_model=Thing,
        responses=problems(Sold),
        dependencies=[anyone],
    )
    async def get_thing(thing_id: int) -> Response:
        raise NotImplementedError

    @routes.post(
        "",
        summary="Make a thing",
        description="One at a time.",
        status_code=201,
        response_model=Thing,
        responses=problems(Sold, Busy),
        dependencies=[guard],
    )
    async def make_thing(wanted: Wanted, key: IdempotencyKey) -> Response:
        raise NotImplementedError

    @routes.patch("/{thing_id}", summary="Change", response_model=Thing, dependencies=[guard])
    async def change_thing(thing_id: int, wanted: Wanted, precondition: IfMatch) -> Response:
        raise NotImplementedError

    @routes.post("/{thing_id}/stop", summary="Stop", response_model=Thing, dependencies=[guard])
    async def stop_thing(thing_id: int, precondition: OptionalIfMatch) -> Response:
        raise NotImplementedError

    @routes.delete("/{thing_id}", summary="Delete", status_code=204, dependencies=[guard])
    async def delete_thing(thing_id: int, precondition: IfMatch) -> None:
        raise NotImplementedError

    @routes.post("/form", summary="A form", response_model=Thing, dependencies=[anyone])
    async def take_form(name: Annotated[str, Form()]) -> Response:
        raise NotImplementedError

    return routes


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return application([_router()]).openapi()


def _operation(document: dict[str, Any], method: str, path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][f"/v1/things{path}"][method]
    return found


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "", "200 401 403 406 422 429 503 504"),
        ("get", "/{thing_id}", "200 304 406 409 422 429 503 504"),
        ("post", "", "201 400 401 403 406 409 413 415 422 429 503 504"),
        ("patch", "/{thing_id}", "200 400 401 403 406 409 412 413 415 422 428 429 503 504"),
        ("post", "/{thing_id}/stop", "200 401 403 406 409 412 422 429 503 504"),
        ("delete", "/{thing_id}", "204 401 403 406 409 412 422 428 429 503 504"),
        ("post", "/form", "200 400 406 409 413 415 422 429 503 504"),
    ],
)
def test_every_status_that_is_answered(
    document: dict[str, Any], method: str, path: str, statuses: str
) -> None:
    assert [*_operation(document, method, path)["responses"]] == statuses.split()


def test_the_codes_of_a_status_are_told_with_examples(document: dict[str, Any]) -> None:
    conflict = _operation(document, "post")["responses"]["409"]
    name = "lost_race_or_things.busy_or_things.sold"
    assert conflict == {"$ref": f"#/components/responses/{name}"}
    response = document["components"]["responses"][name]
    assert "`things.sold`: The thing is sold" in response["description"]
    content = response["content"]["application/problem+json"]
    assert [*content["examples"]] == ["lost_race", "things.busy", "things.sold"]
    shown = document["components"]["examples"]["things.sold"]["value"]
    assert (shown["status"], shown["code"]) == (409, "things.sold")
    assert shown["type"] == "urn:throughline:problem:things.sold"


@pytest.mark.parametrize(
    ("method", "path", "status", "headers"),
    [
        ("get", "", "200", "Link RateLimit RateLimit-Policy X-Context-Id"),
        ("get", "/{thing_id}", "200", "ETag RateLimit RateLimit-Policy X-Context-Id"),
        ("get", "/{thing_id}", "304", "ETag RateLimit RateLimit-Policy X-Context-Id"),
        (
            "post",
            "",
            "201",
            "ETag Idempotency-Replayed Location RateLimit RateLimit-Policy X-Context-Id",
        ),
        ("patch", "/{thing_id}", "200", "ETag RateLimit RateLimit-Policy X-Context-Id"),
        ("delete", "/{thing_id}", "204", "RateLimit RateLimit-Policy X-Context-Id"),
    ],
)
def test_every_header_that_is_answered(
    document: dict[str, Any], method: str, path: str, status: str, headers: str
) -> None:
    response = _operation(document, method, path)["responses"][status]
    assert sorted(response["headers"]) == headers.split()


def test_every_header_is_described(document: dict[str, Any]) -> None:
    for header in document["components"]["headers"].values():
        assert header["description"]
        assert header["schema"]
        assert "example" in header


def test_who_may_call_it(document: dict[str, Any]) -> None:
    make = _operation(document, "post")
    assert make["security"] == [{"HTTPBearer": []}]
    assert make["x-roles"] == ["admin"]
    assert make["description"] == "One at a time.\n\nFor the roles `admin`."
    assert _operation(document, "get", "/{thing_id}")["security"] == []


def test_examples_are_put_together_from_fields(document: dict[str, Any]) -> None:
    body = _operation(document, "post")["requestBody"]["content"]["application/json"]
    assert body["example"] == {
        "name": "Clock",
        "price": "EUR",
        "maker": {"name": "Ada", "country": "DE"},
        "count": 1,
    }
    page = _operation(document, "get")["responses"]["200"]["content"]["application/json"]
    assert page["example"]["items"][0]["version"] == 1
    assert page["example"]["nextCursor"]


def test_a_patch_may_be_sent_as_either(document: dict[str, Any]) -> None:
    content = _operation(document, "patch", "/{thing_id}")["requestBody"]["content"]
    assert [*content] == ["application/merge-patch+json", "application/json"]
    form = _operation(document, "post", "/form")["requestBody"]["content"]
    assert [*form] == ["application/x-www-form-urlencoded"]


def test_what_is_left_out_is_not_null(document: dict[str, Any]) -> None:
    parameters = {p["name"]: p for p in _operation(document, "get")["parameters"]}
    assert parameters["cursor"]["schema"]["type"] == "string"
    assert not parameters["cursor"].get("required")


def test_a_precondition_that_is_needed_is_required(document: dict[str, Any]) -> None:
    def required(method: str, path: str) -> Any:
        parameters = _operation(document, method, path)["parameters"]
        return next(p["required"] for p in parameters if p["name"] == "If-Match")

    assert required("patch", "/{thing_id}")
    assert not required("post", "/{thing_id}/stop")


def test_operations_have_names_for_clients(document: dict[str, Any]) -> None:
    assert _operation(document, "post")["operationId"] == "makeThing"
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(set(ids)) == len(ids)


def test_nothing_of_the_frameworks_own_errors_is_left(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in str(document)


def test_there_is_no_gap(document: dict[str, Any]) -> None:
    found = [gap for gap in gaps(document) if "does not say that it answers 404" not in gap]
    assert found == []


def test_a_route_that_says_too_little_is_found() -> None:
    routes = api_router(tag="things")

    @routes.get("/v1/things/{thing_id}", dependencies=[anyone])
    async def get_thing(thing_id: int, request: Request) -> Response:
        raise NotImplementedError

    found = list(gaps(application([routes]).openapi()))
    assert found == [
        "GET /v1/things/{thing_id}: does not say that it answers 404",
        "GET /v1/things/{thing_id}: 200 has no schema",
    ]


def test_the_document_is_made_once() -> None:
    app = application([_router()])
    assert app.openapi() is app.openapi()


async def test_it_is_served_without_a_token() -> None:
    async with client(_router()) as http:
        answer = await http.get("/openapi.json")
    assert answer.json()["openapi"].startswith("3.1.")
    assert answer.json() == orjson.loads(orjson.dumps(application([_router()]).openapi()))


def test_all_modules_keep_to_it() -> None:
    app = process.unconfigured(process.chosen(())).fastapi
    assert list(gaps(app.openapi())) == []


async def test_options_names_what_the_document_has() -> None:
    runtime = process.unconfigured(process.chosen(()))
    transport = httpx.ASGITransport(cast(Any, runtime.app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for path, item in runtime.fastapi.openapi()["paths"].items():
            answer = await http.options(path.replace("{id}", str(uuid7())))
            expected = {method.upper() for method in item} | {"OPTIONS"}
            assert answer.status_code == 204
            if answer.headers["allow"] != "GET, HEAD, OPTIONS":  # `me` is no id
                expected |= {"HEAD"} if "GET" in expected else set()
                assert set(answer.headers["allow"].split(", ")) == expected, path


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "examples": ["a", "b"], "default": "c"}, "a"),
        ({"type": "string", "default": "c", "enum": ["d"]}, "d"),
        ({"type": "string", "default": "c"}, "c"),
        ({"const": 1}, 1),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3.0}]}, 3),
        ({"anyOf": [{"type": "number"}, {"type": "string", "examples": ["1.50"]}]}, "1.50"),
        ({"allOf": [{"$ref": "#/components/schemas/A"}]}, {"a": True}),
        ({"$ref": "#/components/schemas/A", "default": None}, {"a": True}),
        ({"type": "array", "items": {"type": "null"}}, [None]),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        ({}, {}),
    ],
)
def test_examples(schema: dict[str, Any], expected: Any) -> None:
    schemas = {"A": {"properties": {"a": {"type": "boolean"}}}}
    assert Examples(schemas).of(schema) == expected


def test_a_field_without_an_example_has_that_of_another_of_its_name() -> None:
    schemas = {
        "In": {
            "properties": {
                "name": {"type": "string", "examples": ["Ada"]},
                "note": {"anyOf": [{"type": "string", "examples": ["x"]}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string", "examples": ["a"]}},
                "size": {"type": "integer", "examples": [7]},
            }
        },
        "Out": {
            "properties": {
                "name": {"type": "string"},
                "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "size": {"type": "string"},
            }
        },
    }
    assert Examples(schemas).of({"$ref": "#/components/schemas/Out"}) == {
        "name": "Ada",
        "note": "x",
        "tags": ["a"],
        "size": "text",
    }


class TestPages:
    """The docs for people."""

    @pytest.fixture
    async def page(self) -> httpx.Response:
        async with client(_router()) as http:
            return await http.get("/docs")

    async def test_it_needs_nothing_from_elsewhere(self, page: httpx.Response) -> None:
        assert page.status_code == 200
        for scheme in ("http://", "https://", "src='//", 'src="//', 'href="//'):
            assert scheme not in page.text

    async def test_all_that_it_needs_is_served_here(self, page: httpx.Response) -> None:
        parts = page.text.replace("'", '"').split('"')
        assets = [part for part in parts if part.startswith("/") and len(part) > 1]
        assert "/openapi.json" in assets
        assert sum(part.startswith("/docs/assets/") for part in assets) >= 2
        async with client(_router()) as http:
            for asset in assets:
                assert (await http.get(asset)).status_code == 200, asset

    async def test_the_browser_is_told_to_load_nothing_else(self, page: httpx.Response) -> None:
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
        assert "http" not in policy

"""Routes that will go say so on every answer, and in the OpenAPI document."""

from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.errors import NotFound
from libs.web.conditional import etag
from libs.web.deprecation import deprecated
from libs.web.routing import api_router
from tests.unit.web.app import application, client

ENDING = deprecated(since=date(2026, 3, 1), sunset=date(2026, 9, 1), successor="/v2/things")
EXPECTED = {
    "deprecation": "@1772323200",
    "sunset": "Tue, 01 Sep 2026 00:00:00 GMT",
    "link": '</v2/things>; rel="successor-version"',
}


def _router() -> APIRouter:
    routes = api_router(tag="things")

    @routes.get("/v1/things", dependencies=[anyone, ENDING])
    async def list_things(number: int = 0) -> Response:
        if number:
            raise NotFound
        return Response(b"[]", headers={**etag(1), "Link": '</v1/things?cursor=x>; rel="next"'})

    @routes.get("/v1/things/closed", dependencies=[require(Permission.PROFILE), ENDING])
    async def closed() -> Response:
        return Response(b"")

    @routes.get("/v1/things/lasting", dependencies=[anyone])
    async def lasting() -> Response:
        return Response(b"{}")

    return routes


def _assert_told(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    for name, value in EXPECTED.items():
        assert value in answer.headers.get_list(name)


async def test_every_answer_tells() -> None:
    async with client(_router()) as http:
        answer = await http.get("/v1/things")
        _assert_told(answer, 200)
        assert answer.headers.get_list("link") == [
            '</v1/things?cursor=x>; rel="next"',
            EXPECTED["link"],
        ]
        _assert_told(await http.get("/v1/things", headers={"if-none-match": '"1"'}), 304)
        _assert_told(await http.head("/v1/things"), 200)
        _assert_told(await http.get("/v1/things?number=1"), 404)
        _assert_told(await http.get("/v1/things?number=x"), 422)
        _assert_told(await http.get("/v1/things", headers={"accept": "text/plain"}), 406)
        _assert_told(await http.get("/v1/things/closed"), 401)


async def test_other_routes_do_not() -> None:
    async with client(_router()) as http:
        answers = [await http.get("/v1/things/lasting"), await http.get("/nowhere")]
    for answer in answers:
        assert not EXPECTED.keys() & {*answer.headers}


async def test_a_router_says_it_for_all_its_routes() -> None:
    routes = api_router(tag="things")
    routes.dependencies += [anyone, ENDING]

    @routes.get("/v1/things")
    async def list_things() -> dict[str, Any]:
        return {}

    async with client(routes) as http:
        _assert_told(await http.get("/v1/things"), 200)


def test_the_document_tells() -> None:
    paths = application([_router()]).openapi()["paths"]
    operation = paths["/v1/things"]["get"]
    assert (operation["deprecated"], operation["x-sunset"]) == (True, "2026-09-01")
    assert {"Deprecation", "Sunset", "Link"} <= operation["responses"]["200"]["headers"].keys()
    lasting = paths["/v1/things/lasting"]["get"]
    assert "deprecated" not in lasting
    assert "x-sunset" not in lasting


def test_an_end_before_the_beginning_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="cannot end before"):
        deprecated(since=date(2026, 3, 1), sunset=date(2026, 3, 1), successor="/v2/things")

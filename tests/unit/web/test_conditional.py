"""Conditional requests: `If-None-Match` saves an answer, `If-Match` saves somebody's change."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import Response

from libs.auth.guards import anyone
from libs.errors import PreconditionFailed
from libs.schema import Schema
from libs.web.conditional import CONDITIONAL, IfMatch, Precondition, etag, matches
from libs.web.openapi import problems
from libs.web.routing import JSON, api_router
from tests.unit.web.app import client

PATH = "/v1/things/sole"


class Name(Schema):
    name: str


class Sole:
    """A thing with a version."""

    def __init__(self) -> None:
        self.version = 3
        self.name = "before"

    def answer(self, **headers: str) -> Response:
        body = b'{"name":"%s"}' % self.name.encode()
        return Response(body, media_type=JSON, headers={**etag(self.version), **headers})


def _router(sole: Sole) -> APIRouter:
    routes = api_router(tag="things")
    routes.dependencies.append(anyone)

    @routes.get(PATH)
    async def get_sole() -> Response:
        return sole.answer(**{"Cache-Control": "no-cache", "Vary": "Authorization"})

    @routes.get(f"{PATH}/none")
    async def get_nothing() -> Response:
        return Response(b"{}", status_code=404, headers=etag(sole.version))

    @routes.get(f"{PATH}/untagged")
    async def get_untagged() -> Response:
        return Response(b"{}")

    @routes.patch(PATH, responses=problems(*CONDITIONAL))
    async def rename(change: Name, precondition: IfMatch) -> Response:
        precondition.check(sole.version)
        sole.name, sole.version = change.name, sole.version + 1
        return sole.answer()

    return routes


@pytest.fixture
def sole() -> Sole:
    return Sole()


@pytest.fixture
async def http(sole: Sole) -> AsyncIterator[httpx.AsyncClient]:
    async with client(_router(sole)) as opened:
        yield opened


class TestIfNoneMatch:
    """304."""

    @pytest.mark.parametrize(
        "known", ['"3"', 'W/"3"', '"1", "3"', '"1" , W/"3"', "*", " * ", '"a,b","3"']
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_what_the_client_has_is_not_sent_again(
        self, http: httpx.AsyncClient, method: str, known: str
    ) -> None:
        answer = await http.request(method, PATH, headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == '"3"'
        assert answer.headers.get_list("cache-control") == ["no-cache"]
        assert answer.headers["vary"] == "Authorization"
        assert "x-context-id" in answer.headers
        assert not {"content-length", "content-type"} & {*answer.headers}

    @pytest.mark.parametrize("known", ['"4"', "3", "", '"3', '"33"', "nonsense", '"é"', '"*"'])
    async def test_what_it_has_not_is_sent(self, http: httpx.AsyncClient, known: str) -> None:
        headers = [(b"if-none-match", known.encode())]
        answer = await http.get(PATH, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"name": "before"})

    async def test_several_header_lines_are_one(self, http: httpx.AsyncClient) -> None:
        headers = [("if-none-match", '"1"'), ("if-none-match", '"3"')]
        assert (await http.get(PATH, headers=headers)).status_code == 304

    @pytest.mark.parametrize(("path", "status"), [("none", 404), ("untagged", 200)])
    async def test_other_answers_stay_as_they_are(
        self, http: httpx.AsyncClient, path: str, status: int
    ) -> None:
        answer = await http.get(f"{PATH}/{path}", headers={"if-none-match": "*"})
        assert (answer.status_code, answer.content) == (status, b"{}")

    async def test_it_changes_with_the_version(self, http: httpx.AsyncClient, sole: Sole) -> None:
        sole.version = 4
        assert (await http.get(PATH, headers={"if-none-match": '"3"'})).status_code == 200


class TestIfMatch:
    """412 and 428."""

    @pytest.mark.parametrize("given", ['"3"', "*", " * ", '"1", "3"', '"1","3","5"'])
    async def test_the_version_at_hand_is_changed(
        self, http: httpx.AsyncClient, sole: Sole, given: str
    ) -> None:
        answer = await http.patch(PATH, json={"name": "after"}, headers={"if-match": given})
        assert (answer.status_code, sole.name, answer.headers["etag"]) == (200, "after", '"4"')

    @pytest.mark.parametrize("given", ['"2"', 'W/"3"', '"1", "2"', '"x"', '""'])
    async def test_another_one_is_not(
        self, http: httpx.AsyncClient, sole: Sole, given: str
    ) -> None:
        answer = await http.patch(PATH, json={"name": "after"}, headers={"if-match": given})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert sole.name == "before"

    async def test_none_is_said(self, http: httpx.AsyncClient, sole: Sole) -> None:
        answer = await http.patch(PATH, json={"name": "after"})
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
        assert sole.name == "before"

    @pytest.mark.parametrize(
        "given", ["3", "", '"3', '"3" "4"', '"3",', "*, *", 'w/"3"', "x" * 2000]
    )
    async def test_what_is_no_entity_tag_is_refused(
        self, http: httpx.AsyncClient, sole: Sole, given: str
    ) -> None:
        answer = await http.patch(PATH, json={"name": "after"}, headers={"if-match": given})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/header/If-Match"
        assert sole.name == "before"

    async def test_several_header_lines_are_one(self, http: httpx.AsyncClient, sole: Sole) -> None:
        headers = [("if-match", '"1"'), ("if-match", '"3"')]
        answer = await http.patch(PATH, json={"name": "after"}, headers=headers)
        assert (answer.status_code, sole.name) == (200, "after")


def test_any_version_is_good_for_a_star() -> None:
    Precondition().check(1)
    with pytest.raises(PreconditionFailed):
        Precondition(frozenset()).check(1)


def test_weak_tags_compare_as_strong_ones_do() -> None:
    assert matches('W/"a"', '"a"')
    assert matches('"a"', 'W/"a"')
    assert not matches('"a"', '"A"')

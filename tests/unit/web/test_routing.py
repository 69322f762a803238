"""What every route does: media types, methods, parameters, idempotency."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from libs.auth.guards import anyone
from libs.schema import Schema
from libs.web.idempotency import HEADER, IdempotencyKey, OptionalIdempotencyKey, answered
from libs.web.routing import JSON, accepts, api_router
from tests.unit.web.app import client


@dataclass(frozen=True)
class Given:
    """An answer, as one is stored with a key."""

    status: int = 201
    body: bytes = b'{"a":1}'
    headers: Mapping[str, str] = field(default_factory=lambda: {"Location": "/v1/things/1"})
    replayed: bool = False


class KeySet(JSONResponse):
    media_type = "application/jwk-set+json"


class Change(Schema):
    name: str | None = None


class Wanted(Schema):
    name: str = ""


def _router() -> APIRouter:
    routes = api_router(tag="things", prefix="/v1/things")
    routes.dependencies.append(anyone)

    @routes.get("")
    async def list_things(limit: int = 20, names: Annotated[list[str], Query()] = []) -> Response:  # noqa: B006
        return Response(b"[]", media_type=JSON)

    @routes.get("/found")
    async def find(query: Annotated[Wanted, Query()]) -> Response:
        return JSONResponse(query.name)

    @routes.get("/keys", response_class=KeySet)
    async def keys() -> Response:
        return KeySet({"keys": []})

    @routes.post("")
    async def make(key: IdempotencyKey) -> Response:
        return answered(Given(replayed=key == "again"))

    @routes.post("/free")
    async def make_free(key: OptionalIdempotencyKey = None) -> Response:
        return JSONResponse(key)

    @routes.patch("/{name}")
    async def change(name: str, wanted: Change) -> Response:
        return JSONResponse(dict.fromkeys(wanted.model_fields_set, wanted.name))

    @routes.delete("/{name}", status_code=204)
    async def delete(name: str) -> Response:
        return Response(status_code=204)

    return routes


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with client(_router()) as opened:
        del opened.headers["accept"]
        yield opened


class TestAccept:
    """406."""

    @pytest.mark.parametrize(
        ("accept", "good"),
        [
            ("", True),
            ("*/*", True),
            ("application/*", True),
            ("application/json", True),
            ("Application/JSON", True),
            ("application/json; charset=utf-8", True),
            ("application/json;q=0.001", True),
            ("text/html, application/json;q=0.1", True),
            ("text/html,application/xhtml+xml,*/*;q=0.8", True),
            ("text/html", False),
            ("application/xml, text/*", False),
            ("application/json;q=0", False),
            ("application/json;q=0.000", False),
            ("application/json; q=0.0, */*", False),
            ("*/*;q=0", False),
            ("application/*;q=0, */*", False),
            ("*/*;q=0, application/json", True),
            ("application/*;q=0, application/json;q=0.5", True),
            ("application/problem+json", False),
            ("application/jsonx", False),
            (",,;", True),
            ("nonsense", False),
        ],
    )
    async def test_the_most_special_range_decides(
        self, http: httpx.AsyncClient, accept: str, good: bool
    ) -> None:
        answer = await http.get("/v1/things", headers={"accept": accept})
        assert answer.status_code == (200 if good else 406), accept
        assert accepts(accept, JSON) is good
        if not good:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "not_acceptable"

    async def test_who_says_nothing_takes_everything(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/v1/things")).status_code == 200

    async def test_several_header_lines_are_one(self, http: httpx.AsyncClient) -> None:
        headers = [("accept", "text/html"), ("accept", "application/json")]
        assert (await http.get("/v1/things", headers=headers)).status_code == 200

    async def test_a_route_may_answer_with_something_else(self, http: httpx.AsyncClient) -> None:
        for accept, status in (
            ("application/jwk-set+json", 200),
            ("application/json", 200),  # it is that, too
            ("application/json;q=0, application/jwk-set+json", 200),
            ("text/html", 406),
        ):
            answer = await http.get("/v1/things/keys", headers={"accept": accept})
            assert answer.status_code == status, accept

    async def test_nothing_is_done_that_could_not_be_answered(
        self, http: httpx.AsyncClient
    ) -> None:
        answer = await http.delete("/v1/things/a", headers={"accept": "text/plain"})
        assert answer.status_code == 406


class TestMergePatch:
    """PATCH (RFC 7396)."""

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    async def test_null_is_not_the_same_as_left_out(
        self, http: httpx.AsyncClient, media_type: str
    ) -> None:
        headers = {"content-type": media_type}
        for body, expected in ((b'{"name":null}', {"name": None}), (b"{}", {})):
            answer = await http.patch("/v1/things/a", content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (200, expected)

    async def test_other_media_types_are_not_patches(self, http: httpx.AsyncClient) -> None:
        for media_type in ("application/json-patch+json", "text/plain"):
            headers = {"content-type": media_type}
            answer = await http.patch("/v1/things/a", content=b"[]", headers=headers)
            assert answer.status_code == 415
            assert "application/merge-patch+json or application/json" in answer.json()["detail"]


class TestMethods:
    """405 and OPTIONS."""

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("/v1/things", "GET, HEAD, OPTIONS, POST"),
            ("/v1/things/a", "DELETE, OPTIONS, PATCH"),
            ("/v1/things/found", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("/health/live", "GET, HEAD, OPTIONS"),
            ("/docs", "GET, HEAD, OPTIONS"),
            ("/docs/assets/swagger-ui.css", "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_what_may_be_done_is_told(
        self, http: httpx.AsyncClient, path: str, allowed: str
    ) -> None:
        answer = await http.options(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == allowed
        assert "x-context-id" in answer.headers
        refused = await http.request("PURGE", path)
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
        assert refused.headers["allow"] == allowed

    async def test_of_what_is_not_there_nothing_is_told(self, http: httpx.AsyncClient) -> None:
        for path in ("/nowhere", "/v1/things/", "/v1/things/a/b"):
            answer = await http.options(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")

    async def test_a_path_is_not_corrected(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/v1/things/", headers={"host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)


class TestQuery:
    """Parameters that the route does not know."""

    @pytest.mark.parametrize(
        ("target", "place"),
        [
            ("/v1/things?limt=5", "/query/limt"),
            ("/v1/things?limit=5&x=", "/query/x"),
            ("/v1/things/found?nme=a", "/query/nme"),
            ("/v1/things/keys?a~b/c=1", "/query/a~0b~1c"),
        ],
    )
    async def test_one_is_a_typing_error(
        self, http: httpx.AsyncClient, target: str, place: str
    ) -> None:
        answer = await http.get(target)
        assert answer.status_code == 422
        (wrong,) = answer.json()["errors"]
        assert (wrong["pointer"], wrong["code"]) == (place, "extra_forbidden")

    async def test_known_ones_are_read(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/v1/things?names=a&limit=5&names=b")).status_code == 200
        assert (await http.get("/v1/things/found?name=a")).json() == "a"


class TestIdempotencyKey:
    """Idempotency-Key as a header; what it means is a matter of the database."""

    @pytest.mark.parametrize("key", ["a", "~!x", "0198c5d4-7a10-7c3e-9b2f-5d1e8a4c6f70", "x" * 255])
    async def test_a_key_is_1_to_255_visible_characters(
        self, http: httpx.AsyncClient, key: str
    ) -> None:
        assert (await http.post("/v1/things", headers={HEADER: key})).status_code == 201
        assert (await http.post("/v1/things/free", headers={HEADER: key})).json() == key

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\ta", "é", "a\x7f"])
    async def test_others_are_refused(self, http: httpx.AsyncClient, key: str) -> None:
        headers = [(HEADER.encode(), key.encode())]
        for path in ("/v1/things", "/v1/things/free"):
            answer = await http.post(path, headers=headers)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == f"/header/{HEADER}"

    async def test_it_is_needed_or_not(self, http: httpx.AsyncClient) -> None:
        answer = await http.post("/v1/things")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "missing"
        assert (await http.post("/v1/things/free")).json() is None

    async def test_an_answer_that_was_given_before_says_so(self, http: httpx.AsyncClient) -> None:
        first = await http.post("/v1/things", headers={HEADER: "first"})
        again = await http.post("/v1/things", headers={HEADER: "again"})
        assert first.content == again.content == b'{"a":1}'
        assert first.headers["location"] == again.headers["location"] == "/v1/things/1"
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers

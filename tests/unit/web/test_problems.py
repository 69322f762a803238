"""Every error is a problem document (RFC 9457), in one form."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from libs.errors import AppError, Conflict, DeadlineExceeded, TooManyRequests, Unavailable
from libs.web.pointers import pointer
from libs.web.problems import problem
from tests.unit.conftest import Logged
from tests.unit.web.app import client
from tests.unit.web.things import router

ID = "request-1"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def http(logged: Logged) -> AsyncIterator[httpx.AsyncClient]:
    async with client(router(), max_body_bytes=1000) as opened:
        opened.headers["x-context-id"] = ID
        yield opened


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The document, which must have the form that all have."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-context-id"] == ID
    body: dict[str, Any] = orjson.loads(answer.content)
    assert body["type"] == f"urn:throughline:problem:{code}"
    assert (body["status"], body["code"], body["contextId"]) == (status, code, ID)
    assert body["instance"] == answer.request.url.path
    assert body["title"]
    assert body["detail"]
    assert set(body) - {"errors"} == {
        *("type", "title", "status", "detail", "instance", "code", "contextId")
    }
    return body


async def test_no_such_path(http: httpx.AsyncClient) -> None:
    _problem(await http.get("/nowhere?email=somebody@example.com"), 404, "route_not_found")


async def test_no_such_method(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/v1/things")
    _problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = await http.put("/v1/things/form")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = await http.post("/health/live")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_head_is_get_without_a_body(http: httpx.AsyncClient, logged: Logged) -> None:
    get, head = await http.get("/v1/things"), await http.head("/v1/things")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]
    assert logged.lines("request.finished")[-1]["method"] == "HEAD"
    missing = await http.head("/nowhere")
    assert (missing.status_code, missing.content) == (404, b"")
    assert (await http.head("/v1/things/form")).status_code == 422  # GET /v1/things/{thing_id}


async def test_a_body_that_says_it_is_too_large(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things", content=b"x" * 1001, headers=JSON)
    _problem(answer, 413, "payload_too_large")


async def test_a_body_that_says_so_is_refused_before_it_is_read(http: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        raise AssertionError("it was read")

    headers = {**JSON, "content-length": "1001"}
    _problem(
        await http.post("/v1/things", content=body(), headers=headers), 413, "payload_too_large"
    )


async def test_a_body_that_turns_out_too_large(http: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(200):
            yield b"x" * 10

    answer = await http.post("/v1/things", content=body(), headers=JSON)
    assert "content-length" not in answer.request.headers
    _problem(answer, 413, "payload_too_large")


async def test_a_form_that_turns_out_too_large(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things/form", data={"name": "x" * 1001})
    _problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize("size", [990, 1000])
async def test_a_body_of_just_the_size_is_read(http: httpx.AsyncClient, size: int) -> None:
    empty = len(orjson.dumps({"name": ""}))
    body = orjson.dumps({"name": "x" * (size - empty)})
    answer = await http.post("/v1/things", content=body, headers=JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "", None])
async def test_another_media_type(http: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = await http.post("/v1/things", content=b'{"name": "x"}', headers=headers)
    body = _problem(answer, 415, "unsupported_media_type")
    assert "application/json" in body["detail"]


async def test_a_form_is_not_json_and_json_no_form(http: httpx.AsyncClient) -> None:
    _problem(await http.post("/v1/things", data={"name": "x"}), 415, "unsupported_media_type")
    _problem(await http.post("/v1/things/form", json={"name": "x"}), 415, "unsupported_media_type")
    assert (await http.post("/v1/things/form", data={"name": "x"})).json() == {"name": "x"}


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_media_type_may_have_parameters(http: httpx.AsyncClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    answer = await http.post("/v1/things", content=b'{"name": "x"}', headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"name": "x",}', b"nope", b'{"name": "\xff"}', b"\xff\xfe{", b'{"name": "x"}}'],
)
async def test_what_is_not_json(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/things", content=body, headers=JSON)
    _problem(answer, 400, "malformed_body")


async def test_deeply_nested_json(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things", content=b"[" * 999, headers=JSON)
    assert answer.status_code in (400, 422)
    async with client(router()) as large:
        answer = await large.post("/v1/things", content=b"[" * 100_000, headers=JSON)
        assert answer.status_code == 400


async def test_each_mistake_has_its_place(http: httpx.AsyncClient) -> None:
    body = {"lines": [{"quantity": 1}, {"quantity": 0, "a/b~c": 1}], "surprise": "planted"}
    answer = await http.post("/v1/things", json=body)
    found = _problem(answer, 422, "invalid_input")["errors"]
    assert {(e["pointer"], e["code"]) for e in found} == {
        ("/name", "missing"),
        ("/lines/1/quantity", "greater_than_equal"),
        ("/lines/1/a~1b~0c", "extra_forbidden"),
        ("/surprise", "extra_forbidden"),
    }
    assert all(set(e) == {"pointer", "code", "detail"} and e["detail"] for e in found)
    assert b"planted" not in answer.content


async def test_a_field_whose_name_is_no_text(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things", content=b'{"name": "x", "\\ud800": 1}', headers=JSON)
    assert answer.status_code in (400, 422)
    _problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("path", "headers", "where"),
    [
        ("/v1/things?limit=0", {}, "/query/limit"),
        ("/v1/things?limit=x", {}, "/query/limit"),
        ("/v1/things", {"x-number": "x"}, "/header/x-number"),
        ("/v1/things/x", {}, "/path/thing_id"),
    ],
)
async def test_mistakes_outside_the_body_have_theirs(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], where: str
) -> None:
    (found,) = _problem(await http.get(path, headers=headers), 422, "invalid_input")["errors"]
    assert found["pointer"] == where


async def test_a_missing_body(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things", headers=JSON)
    assert _problem(answer, 422, "invalid_input")["errors"][0]["pointer"] == ""


async def test_a_domains_own_error(http: httpx.AsyncClient, logged: Logged) -> None:
    body = _problem(await http.get("/v1/things/sold"), 409, "things.sold")
    assert (body["title"], body["detail"]) == ("The thing is sold", "gone since Monday")
    assert logged.line("request.finished")["status"] == 409
    assert not logged.lines("request.failed")


async def test_when_to_try_again(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/things/busy")
    _problem(answer, 429, "too_many_requests")
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize("kind", [Unavailable, DeadlineExceeded, TooManyRequests])
def test_it_is_always_said_where_it_makes_sense(kind: type[AppError]) -> None:
    assert problem(kind(), instance="/").headers["retry-after"] == "1"
    assert problem(kind(retry_after=7.1), instance="/").headers["retry-after"] == "8"


def test_elsewhere_it_is_not_said_unless_it_is_known() -> None:
    assert "retry-after" not in problem(Conflict(), instance="/").headers
    assert problem(Conflict(retry_after=1), instance="/").headers["retry-after"] == "1"


async def test_mistakes_that_the_code_found(http: httpx.AsyncClient) -> None:
    body = _problem(await http.get("/v1/things/wrong"), 422, "invalid_input")
    assert body["errors"] == [{"pointer": "/lines/0", "code": "odd", "detail": "must be even"}]


async def test_a_defect_is_in_the_log_and_not_in_the_answer(
    http: httpx.AsyncClient, logged: Logged
) -> None:
    answer = await http.get("/v1/things/crash")
    _problem(answer, 500, "internal")
    assert b"internal detail" not in answer.content
    assert b"LookupError" not in answer.content
    line = logged.line("request.failed")
    assert line["exception"][0]["exc_value"] == "internal detail 7"
    assert (line["contextId"], line["service"], line["level"]) == (ID, "shop", "error")
    assert b"planted" not in logged.raw()
    finished = logged.line("request.finished")
    assert (finished["status"], finished["level"]) == (500, "warning")
    assert finished["route"] == "/v1/things/crash"


async def test_a_request_that_takes_too_long(logged: Logged) -> None:
    async with client(router(), request_timeout_s=0.05) as http:
        answer = await http.get("/v1/things/slow", headers={"x-context-id": ID})
    _problem(answer, 504, "deadline_exceeded")
    assert answer.headers["retry-after"] == "1"
    assert logged.line("request.deadline_exceeded")["allowanceMs"] == 50
    assert logged.line("request.finished")["status"] == 504


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ((), ""),
        (("body",), ""),
        (("body", "lines", 0, "quantity"), "/lines/0/quantity"),
        (("body", "a/b", "c~d"), "/a~1b/c~0d"),
        (("query", "limit"), "/query/limit"),
    ],
)
def test_pointers(location: tuple[object, ...], expected: str) -> None:
    assert pointer(location) == expected

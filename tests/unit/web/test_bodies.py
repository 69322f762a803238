"""Hostile input: each is a problem with a status of 4xx, and nothing is done."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import orjson
import pytest
from fastapi import APIRouter, Form
from pydantic import Field
from starlette.responses import JSONResponse, Response

from libs.auth.guards import anyone
from libs.errors import MalformedBody
from libs.schema import Schema
from libs.web.bodies import MAX_DEPTH, JsonRequest
from libs.web.problems import MAX_MISTAKES
from libs.web.routing import api_router
from tests.unit.conftest import Logged
from tests.unit.web.app import client

PATH = "/v1/things/any"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Anything(Schema):
    name: str = ""
    number: int = 0
    free: Any = None
    names: tuple[str, ...] = Field((), max_length=5)


def _router(seen: list[Any]) -> APIRouter:
    routes = api_router(tag="things")
    routes.dependencies.append(anyone)

    @routes.post(PATH)
    async def take(thing: Anything) -> Response:
        seen.append(thing.free)
        return JSONResponse(thing.model_dump())

    @routes.post(f"{PATH}/form")
    async def take_form(name: Annotated[str, Form()]) -> Response:
        return JSONResponse(name)

    @routes.get(f"{PATH}/query")
    async def take_query(name: str = "") -> Response:
        return JSONResponse(name)

    @routes.get(f"{PATH}/path/{{name}}")
    async def take_path(name: str) -> Response:
        return JSONResponse(name)

    return routes


@pytest.fixture
def seen() -> list[Any]:
    """What the route was called with."""
    return []


@pytest.fixture
async def http(seen: list[Any], logged: Logged) -> AsyncIterator[httpx.AsyncClient]:
    async with client(_router(seen)) as opened:
        yield opened
    assert not logged.lines("request.failed")


def _assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = orjson.loads(answer.content)
    assert (body["status"], body["code"]) == (status, code)
    return body


NOT_JSON = {
    "nothing but a bracket": b"{",
    "a word": b"nope",
    "not a number": b'{"free": NaN}',
    "infinity": b'{"free": -Infinity}',
    "a number beyond all": b'{"free": 1e400}',
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "half a surrogate pair as a name": b'{"\\udfff": 1}',
    "broken UTF-8": b'{"name": "\xff"}',
    "an overlong NUL": b'{"name": "\xc0\x80"}',
    "a raw NUL": b'{"name": "\x00"}',
    "a raw control character": b'{"name": "\n"}',
    "a byte order mark": b'\xef\xbb\xbf{"name": ""}',
    "UTF-16": '{"name": ""}'.encode("utf-16"),
    "UTF-32": '{"name": ""}'.encode("utf-32"),
    "single quotes": b"{'name': ''}",
    "a comment": b'{"name": ""} // x',
    "a comma too much": b'{"name": "",}',
    "two texts": b"{}{}",
    "a hexadecimal number": b'{"number": 0x10}',
    "a number with a leading zero": b'{"number": 01}',
    "only blanks": b"   ",
    "a bracket a thousand times": b"[" * 1000,
    "a bracket a million times": b"[" * 1_000_000,
    "an object a hundred thousand times": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("kind", NOT_JSON)
async def test_what_is_not_json(http: httpx.AsyncClient, seen: list[Any], kind: str) -> None:
    answer = await http.post(PATH, content=NOT_JSON[kind], headers=JSON)
    body = _assert_problem(answer, 400, "malformed_body")
    assert len(answer.content) < 1000
    assert body["detail"].startswith("The body is ")
    assert not seen


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"free": 1,\n "name": tru}', "line 2"),
        (b"{]", "line 1, column 2"),
    ],
)
async def test_where_it_breaks_is_told(http: httpx.AsyncClient, body: bytes, where: str) -> None:
    answer = await http.post(PATH, content=body, headers=JSON)
    assert where in answer.json()["detail"]


def _nested(depth: int) -> bytes:
    """`free` nested so deeply that the body has `depth` levels."""
    return b'{"free": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


async def test_how_deep_is_deep(http: httpx.AsyncClient, seen: list[Any]) -> None:
    answer = await http.post(PATH, content=_nested(MAX_DEPTH), headers=JSON)
    assert answer.status_code == 200
    assert seen
    for depth in (MAX_DEPTH + 1, 900):
        answer = await http.post(PATH, content=_nested(depth), headers=JSON)
        assert "nested deeper" in _assert_problem(answer, 400, "malformed_body")["detail"]
    wide = b'{"free": [' + b"[{}]," * 1000 + b"[]]}"
    assert (await http.post(PATH, content=wide, headers=JSON)).status_code == 200
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"name": "a\\u0000b"}', "/name"),
        (b'{"free": {"a": [1, "\\u0000"]}}', "/free/a/1"),
        (b'{"free": {"a": {"\\u0000": 1}}}', "/free/a/\0"),
        (b'"\\u0000"', ""),
    ],
)
async def test_a_nul(http: httpx.AsyncClient, seen: list[Any], body: bytes, place: str) -> None:
    answer = await http.post(PATH, content=body, headers=JSON)
    (wrong,) = _assert_problem(answer, 422, "invalid_input")["errors"]
    assert (wrong["pointer"], wrong["code"]) == (place, "nul_character")
    assert not seen


async def test_what_only_looks_like_a_nul(http: httpx.AsyncClient, seen: list[Any]) -> None:
    for text in (r"\u0000", "%00", "0"):
        answer = await http.post(PATH, json={"free": text})
        assert answer.status_code == 200
    assert seen == [r"\u0000", "%00", "0"]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("query?name=a%00b", "/query/name"),
        ("query?na%00me=a", "/query/na\0me"),
        ("path/a%00b", "/path/name"),
    ],
)
async def test_a_nul_in_the_address(http: httpx.AsyncClient, target: str, place: str) -> None:
    answer = await http.get(f"{PATH}/{target}")
    wrong = _assert_problem(answer, 422, "invalid_input")["errors"]
    assert (wrong[0]["pointer"], wrong[0]["code"]) == (place, "nul_character")


async def test_a_nul_in_a_form(http: httpx.AsyncClient) -> None:
    for body in (b"name=a%00b", b"name=a\0b"):
        answer = await http.post(f"{PATH}/form", content=body, headers=FORM)
        (wrong,) = _assert_problem(answer, 422, "invalid_input")["errors"]
        assert (wrong["pointer"], wrong["code"]) == ("/name", "nul_character")


async def test_an_address_in_broken_utf_8_is_text_all_the_same(http: httpx.AsyncClient) -> None:
    for target in ("query?name=%ff%fe", "path/%ff", "query?%ff=1", "query?name=%c0%80"):
        answer = await http.get(f"{PATH}/{target}")
        assert answer.status_code in (200, 422)


NO_FORM = {
    "too many fields": b"name=a&" * 100_000,
    "too many fields without a name": b"&" * 1_000_000,
    "broken UTF-8": b"name=%ff",
    "raw broken UTF-8": b"name=\xff",
    "a broken name": b"%ff=a&name=a",
    "half a surrogate pair": b"name=%ed%a0%80",
}


@pytest.mark.parametrize("kind", NO_FORM)
async def test_what_is_no_form(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post(f"{PATH}/form", content=NO_FORM[kind], headers=FORM)
    _assert_problem(answer, 400, "malformed_body")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"name=a+b", "a b"),
        (b"name=%C3%A4&", "ä"),
        (b"name=1&name=2", "2"),
        (b"name=%u0041%", "%u0041%"),
        (b"name=%2500", "%00"),
        (b"name=a;b", "a;b"),
        (b"name=" + b"a" * 1_000_000, "a" * 1_000_000),
    ],
)
async def test_what_is_a_form(http: httpx.AsyncClient, body: bytes, name: str) -> None:
    answer = await http.post(f"{PATH}/form", content=body, headers=FORM)
    assert answer.json() == name


async def test_a_form_without_the_field(http: httpx.AsyncClient) -> None:
    for body in (b"", b"name", b"=a", b"nam=a", b"name=&x=1"):
        answer = await http.post(f"{PATH}/form", content=body, headers=FORM)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/name"


async def test_many_mistakes_are_not_all_listed(http: httpx.AsyncClient) -> None:
    body = orjson.dumps({f"{number:x}": 1 for number in range(90_000)})
    assert len(body) < 1_048_576
    began = time.perf_counter()
    answer = await http.post(PATH, content=body, headers=JSON)
    problem = _assert_problem(answer, 422, "invalid_input")
    assert len(problem["errors"]) == MAX_MISTAKES
    assert "90000 mistakes" in problem["detail"]
    assert len(answer.content) < 20_000
    assert time.perf_counter() - began < 30  # seconds; it takes less than one


@pytest.mark.parametrize("kind", ["query", "errors"])
async def test_what_is_wrong_is_not_repeated_at_length(http: httpx.AsyncClient, kind: str) -> None:
    if kind == "query":
        answer = await http.get(f"{PATH}/query?" + "&".join(f"x{n}=1" for n in range(5000)))
    else:
        answer = await http.post(PATH, json={"free": ["\0"] * 5000})
    assert len(_assert_problem(answer, 422, "invalid_input")["errors"]) == MAX_MISTAKES


async def test_of_equal_names_the_last_counts(http: httpx.AsyncClient, seen: list[Any]) -> None:
    answer = await http.post(PATH, content=b'{"free": 1, "free": 2}', headers=JSON)
    assert (answer.status_code, seen) == (200, [2])


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5000, b"1" + b"0" * 400])
async def test_numbers_beyond_all_bounds(http: httpx.AsyncClient, number: bytes) -> None:
    answer = await http.post(PATH, content=b'{"number": ' + number + b"}", headers=JSON)
    _assert_problem(answer, answer.status_code, answer.json()["code"])
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("text", ["9" * 5000, "1e999", "²", "٣", "", " ", "0x1"])
async def test_numbers_in_an_address(http: httpx.AsyncClient, text: str) -> None:
    answer = await http.get(f"{PATH}/query", params={"number": text})
    assert answer.status_code == 422


async def test_long_addresses_and_headers(http: httpx.AsyncClient) -> None:
    long = "x" * 60_000
    assert (await http.get(f"{PATH}/query", params={"name": long})).status_code == 200
    assert (await http.get(f"/{long}")).status_code == 404
    for name in ("x-context-id", "authorization", "accept", "if-none-match", "content-type"):
        answer = await http.get(f"{PATH}/query", headers={name: long})
        assert answer.status_code in (200, 406)
    many = [(f"x-{number}", "1") for number in range(5000)]
    assert (await http.get(f"{PATH}/query", headers=many)).status_code == 200


async def test_headers_that_are_no_ascii(http: httpx.AsyncClient) -> None:
    for name in (b"accept", b"if-none-match", b"x-context-id", b"content-type"):
        for value in (b"\xff\xfe", "é".encode(), b'"'):
            answer = await http.post(PATH, content=b"{}", headers=[(name, value)])
            assert answer.status_code in (200, 406, 415)


async def test_an_upload_that_breaks_off_is_no_defect() -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    request = JsonRequest({"type": "http", "headers": []}, receive)
    with pytest.raises(MalformedBody, match="not sent to its end"):
        await request.parse()

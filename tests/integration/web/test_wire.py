"""Over a socket: what is not HTTP, or too much of it, is answered with a problem as well."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import h11
import httpx
import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.web.app import in_layer
from libs.web.protocol import MAX_HEAD_BYTES, Protocol
from tests.unit.web.app import application, registry, settings
from tests.unit.web.things import router
from tests.waiting import PATIENCE_S, until

HOST: Final = b"Host: test\r\n"
JSON: Final = HOST + b"Content-Type: application/json\r\n"
THINGS: Final = b"POST /v1/things HTTP/1.1\r\n"


@asynccontextmanager
async def served(app: ASGIApp | None = None) -> AsyncIterator[int]:
    """An application, or a small one, behind a server as a process has one; gives its port."""
    app = app or in_layer(application([router()]), registry("/v1/things"), settings())
    config = uvicorn.Config(
        app, http=Protocol, ws="none", lifespan="off", log_config=None, server_header=False
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started, "the server listens")
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with served() as port:
        yield port


async def _answer(port: int, sent: bytes) -> tuple[h11.Response, bytes]:
    """What comes back for these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "test")]))
    client.send(h11.EndOfMessage())
    events: list[h11.Event] = []
    try:
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            while not (events and isinstance(events[-1], h11.EndOfMessage)):
                event = client.next_event()
                if isinstance(event, h11.Event):
                    events.append(event)
                else:
                    client.receive_data(await reader.read(65_536))
    finally:
        writer.close()
    (head,) = (event for event in events if isinstance(event, h11.Response))
    return head, b"".join(event.data for event in events if isinstance(event, h11.Data))


def _headers(head: h11.Response) -> dict[bytes, bytes]:
    return dict(head.headers)


async def _assert_problem(port: int, sent: bytes, status: int, code: str) -> dict[str, Any]:
    head, body = await _answer(port, sent)
    headers = _headers(head)
    assert (head.status_code, headers[b"content-type"]) == (status, b"application/problem+json")
    problem: dict[str, Any] = orjson.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["contextId"].encode() == headers[b"x-context-id"]
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cache-control"] == b"no-store"
    return problem


NOT_HTTP: Final = {
    "words": b"nonsense\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "a NUL in the address": b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address that is not ASCII": "GET /é HTTP/1.1\r\n\r\n".encode(),
    "a query that is not ASCII": "GET /?é HTTP/1.1\r\n\r\n".encode(),
    "a header without a colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    "a length that is none": THINGS + b"Content-Length: x\r\n\r\n",
    "a length beyond all": THINGS + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a negative length": THINGS + b"Content-Length: -1\r\n\r\n",
    "two lengths": THINGS + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": THINGS
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is none": THINGS + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("kind", NOT_HTTP)
async def test_what_is_not_http(port: int, kind: str) -> None:
    await _assert_problem(port, NOT_HTTP[kind], 400, "malformed_request")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/things HTTP/1.1\r\nX: " + b"a" * 5_000_000,
        b"GET /v1/things HTTP/1.1\r\n" + b"X: a\r\n" * 500_000,
        b"GET /" + b"a" * 5_000_000,
    ],
)
async def test_a_head_without_end(port: int, head: bytes) -> None:
    await _assert_problem(port, head, 431, "head_too_large")


CHUNKED: Final = THINGS + JSON + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("endless", [b"0\r\nX: " + b"a" * 5_000_000, b"1;" + b"a" * 5_000_000])
async def test_a_trailer_or_a_chunk_without_end(port: int, endless: bytes) -> None:
    await _assert_problem(port, CHUNKED + endless, 431, "head_too_large")


async def test_a_trailer_is_no_header() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.append(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as port:
        trailer = b"X-Forwarded-For: 9.9.9.9\r\nAuthorization: Bearer x\r\n\r\n"
        await _answer(port, CHUNKED + b"2\r\n{}\r\n0\r\n" + trailer)
    names = {name for name, _ in seen[0]}
    assert names == {b"host", b"content-type", b"transfer-encoding"}


async def test_a_head_of_usual_size(port: int) -> None:
    head = b"GET /v1/things HTTP/1.1\r\n" + HOST + b"X: " + b"a" * (MAX_HEAD_BYTES // 2)
    answer, _ = await _answer(port, head + b"\r\n\r\n")
    assert answer.status_code == 200


async def test_a_body_is_not_counted_as_a_head(port: int) -> None:
    body = orjson.dumps({"name": "x" * (2 * MAX_HEAD_BYTES)})
    head = THINGS + JSON + b"Content-Length: %d\r\n\r\n" % len(body)
    answer, _ = await _answer(port, head + body)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (THINGS + JSON + b"Content-Length: 2000000\r\n\r\n{", 413, "payload_too_large"),
        (
            THINGS + JSON + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n",
            413,
            "payload_too_large",
        ),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, "route_not_found"),
        (b"GET //v1/things HTTP/1.1\r\n" + HOST + b"\r\n", 404, "route_not_found"),
        (b"GET /v1/../v1/things HTTP/1.1\r\n" + HOST + b"\r\n", 404, "route_not_found"),
        (b"GET /v1/things/%ff HTTP/1.1\r\n" + HOST + b"\r\n", 422, "invalid_input"),
        (b"GET /v1/things/%zz HTTP/1.1\r\n" + HOST + b"\r\n", 422, "invalid_input"),
        (b"BREW /v1/things HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed_request"),
    ],
)
async def test_what_is_http_and_no_good_request(
    port: int, sent: bytes, status: int, code: str
) -> None:
    await _assert_problem(port, sent, status, code)


async def test_an_upload_that_breaks_off_harms_nobody(port: int) -> None:
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(THINGS + JSON + b"Content-Length: 1000\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        assert (await http.get("/v1/things")).status_code == 200


async def test_head_is_get_without_the_body(port: int) -> None:
    changing = {"date", "x-context-id"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        for path in ("/v1/things", "/v1/things/tagged", "/health/live", "/docs", "/nowhere"):
            get, head = await http.get(path), await http.head(path)
            assert head.status_code == get.status_code
            assert head.content == b""
            for name in {*get.headers, *head.headers} - changing:
                assert head.headers.get(name) == get.headers.get(name), (path, name)
            assert int(head.headers["content-length"]) == len(get.content)

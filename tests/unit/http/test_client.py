"""The client over a fake network."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.context import RequestContext, transaction_open, use
from libs.errors import DeadlineExceeded, Internal, NotFound, Unavailable
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings

FAST = HttpClientSettings(timeout_s=0.5, deadline_s=1.0, backoff_s=0.0, attempts=3)

Answer = httpx.Response | Exception


class Peer:
    """Gives the prepared answers in turn, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _client(
    peer: Callable[[httpx.Request], httpx.Response], settings: HttpClientSettings = FAST
) -> HttpClient:
    return HttpClient("rates", "http://rates.test", settings, httpx.MockTransport(peer))


def _ok() -> httpx.Response:
    return httpx.Response(200, json={"rate": "1.1"})


@contextmanager
def _context(remaining: float | None = None) -> Iterator[RequestContext]:
    deadline = None if remaining is None else time.monotonic() + remaining
    with use(RequestContext(context_id="ctx-12345678", service="worker", deadline=deadline)) as c:
        yield c


async def test_the_request_is_what_was_asked_for() -> None:
    peer = Peer(_ok())
    async with _client(peer) as client:
        answer = await client.request(
            "POST", "/v1/x", route="/v1/x", params={"a": "b c", "n": None}, json={"k": 1}
        )
    assert answer.json() == {"rate": "1.1"}
    (request,) = peer.requests
    assert str(request.url) == "http://rates.test/v1/x?a=b+c"
    assert request.content == b'{"k":1}'


async def test_context_and_remaining_time_travel_as_headers() -> None:
    peer = Peer(_ok())
    async with _client(peer) as client:
        with _context(remaining=0.9):
            headers = {"authorization": "Bearer x", "x-context-id": "not-this-one"}
            await client.request("GET", "/x", route="/x", headers=headers)
    sent = peer.requests[0].headers
    assert sent["x-context-id"] == "ctx-12345678"
    assert sent["authorization"] == "Bearer x"
    assert 400 < int(sent["x-request-deadline-ms"]) <= 900


@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.Response(502),
        httpx.Response(503),
        httpx.Response(504),
        httpx.Response(429, headers={"retry-after": "0"}),
    ],
)
async def test_what_may_pass_is_tried_again(first: Answer) -> None:
    peer = Peer(first, _ok())
    async with _client(peer) as client:
        assert (await client.request("GET", "/x", route="/x")).status_code == 200
    assert len(peer.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [(httpx.Response(500), Unavailable), (httpx.UnsupportedProtocol("x"), Internal)],
)
async def test_what_will_not_pass_is_not_tried_again(
    answer: Answer, error: type[Exception]
) -> None:
    peer = Peer(answer)
    async with _client(peer) as client:
        with pytest.raises(error):
            await client.request("GET", "/x", route="/x")
    assert len(peer.requests) == 1


async def test_a_4xx_is_neither_tried_again_nor_counted() -> None:
    peer = Peer(httpx.Response(404, json={}, headers={"content-type": "application/problem+json"}))
    async with _client(peer, FAST.model_copy(update={"breaker_failures": 2})) as client:
        for _ in range(5):
            with pytest.raises(NotFound):
                await client.request("GET", "/x", route="/x")
    assert len(peer.requests) == 5


@pytest.mark.parametrize(
    ("method", "idempotent", "requests"),
    [("POST", None, 1), ("PATCH", None, 1), ("POST", True, 3), ("PUT", None, 3), ("GET", False, 1)],
)
async def test_only_idempotent_calls_are_tried_again(
    method: str, idempotent: bool | None, requests: int
) -> None:
    peer = Peer(httpx.ConnectError("x"))
    async with _client(peer) as client:
        with pytest.raises(Unavailable):
            await client.request(method, "/x", route="/x", idempotent=idempotent)
    assert len(peer.requests) == requests


async def test_retry_after_is_waited_for() -> None:
    peer = Peer(httpx.Response(503, headers={"retry-after": "1"}), _ok())
    async with _client(peer, FAST.model_copy(update={"deadline_s": 5.0})) as client:
        started = time.monotonic()
        await client.request("GET", "/x", route="/x")
    assert time.monotonic() - started >= 1


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    peer = Peer(httpx.Response(503, headers={"retry-after": "30"}))
    async with _client(peer) as client:
        started = time.monotonic()
        with pytest.raises(Unavailable) as failed:
            await client.request("GET", "/x", route="/x")
    assert failed.value.retry_after == 30
    assert len(peer.requests) == 1
    assert time.monotonic() - started < 0.5


async def _never(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.mark.parametrize(("own", "context"), [(0.1, None), (5.0, 0.1), (0.1, 5.0)])
async def test_the_nearer_deadline_ends_the_call(own: float, context: float | None) -> None:
    settings = FAST.model_copy(update={"deadline_s": own})
    async with HttpClient("rates", "http://r", settings, httpx.MockTransport(_never)) as client:
        started = time.monotonic()
        with _context(context), capture_logs() as lines, pytest.raises(DeadlineExceeded):
            await client.request("GET", "/x", route="/x")
    assert 0.09 < time.monotonic() - started < 1
    assert [line["error"] for line in lines] == ["deadline"]


async def test_no_time_left_no_call() -> None:
    peer = Peer(_ok())
    async with _client(peer) as client:
        with _context(-1.0), pytest.raises(DeadlineExceeded):
            await client.request("GET", "/x", route="/x")
    assert not peer.requests


async def test_an_open_breaker_refuses_at_once_and_is_not_retried() -> None:
    peer = Peer(httpx.ConnectError("x"))
    async with _client(peer, FAST.model_copy(update={"breaker_failures": 2})) as client:
        with capture_logs() as lines, pytest.raises(Unavailable):
            await client.request("GET", "/x", route="/x")
        assert [line["error"] for line in lines] == ["ConnectError"] * 2, "no third, refused one"
        with capture_logs() as lines, pytest.raises(Unavailable) as refused:
            await client.request("GET", "/x", route="/x")
    assert len(peer.requests) == 2
    assert refused.value.retry_after == pytest.approx(10, abs=1)
    assert [line["error"] for line in lines] == ["breaker_open"]


async def test_a_full_bulkhead_refuses_at_once_and_frees_itself() -> None:
    proceed = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        await proceed.wait()
        return _ok()

    settings = FAST.model_copy(update={"max_concurrency": 2, "breaker_failures": 1})
    async with HttpClient("rates", "http://r", settings, httpx.MockTransport(slow)) as client:

        async def call() -> httpx.Response:
            return await client.request("GET", "/x", route="/x")

        running = [asyncio.create_task(call()) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable) as refused:
            await call()
        assert refused.value.retry_after == 1
        proceed.set()
        await asyncio.gather(*running)
        assert (await call()).status_code == 200


async def test_no_call_inside_a_transaction() -> None:
    peer = Peer(_ok())
    token = transaction_open.set(True)
    try:
        async with _client(peer) as client:
            with pytest.raises(RuntimeError, match="inside a transaction"):
                await client.request("GET", "/x", route="/x")
    finally:
        transaction_open.reset(token)
    assert not peer.requests


async def test_a_path_cannot_name_another_host() -> None:
    peer = Peer(_ok())
    async with _client(peer) as client:
        with pytest.raises(ValueError, match="slash"):
            await client.request("GET", "http://evil.test/", route="/x")
        await client.request("GET", "//evil.test/x", route="/x")
    assert peer.requests[0].url.host == "rates.test"


async def test_each_attempt_is_a_line_without_query_headers_or_body() -> None:
    peer = Peer(httpx.Response(503, text="secret-body"), _ok())
    async with _client(peer) as client:
        with capture_logs() as lines:
            await client.request(
                "GET",
                "/v1/users/someone",
                route="/v1/users/{id}",
                params={"q": "secret-query"},
                headers={"authorization": "Bearer secret-token"},
            )
    common = {"event": "http.call", "client": "rates", "method": "GET", "route": "/v1/users/{id}"}
    for line in lines:
        assert line.pop("durationMs") >= 0
    assert lines == [
        {**common, "attempt": 1, "status": 503, "log_level": "warning"},
        {**common, "attempt": 2, "status": 200, "log_level": "info"},
    ]


async def test_attempts_are_counted_by_outcome() -> None:
    def counted(outcome: str) -> float:
        labels = {"client": "rates", "route": "/metered", "outcome": outcome}
        return REGISTRY.get_sample_value("http_client_duration_seconds_count", labels) or 0.0

    peer = Peer(httpx.Response(503), httpx.ConnectError("x"), _ok())
    async with _client(peer) as client:
        await client.request("GET", "/metered", route="/metered")
    assert [counted(o) for o in ("5xx", "ConnectError", "2xx")] == [1, 1, 1]

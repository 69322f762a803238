"""The same calls over a real server and in-process: the caller cannot tell them apart."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from structlog.testing import capture_logs

from libs.context import RequestContext, transaction_open, use
from libs.errors import (
    AppError,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from libs.http.client import HttpClient
from libs.http.in_process import InProcessTransport
from libs.http.settings import HttpClientSettings
from tests.integration.http.app import callers_own, make_app

SETTINGS = HttpClientSettings(timeout_s=2.0, deadline_s=4.0, backoff_s=0.0)

MakeClient = Callable[..., HttpClient]


@asynccontextmanager
async def _served(app: Starlette) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


@pytest.fixture(params=["network", "in-process"])
async def make_client(request: pytest.FixtureRequest) -> AsyncIterator[MakeClient]:
    app = make_app()
    async with AsyncExitStack() as stack:
        if request.param == "network":
            url, transport = await stack.enter_async_context(_served(app)), None
        else:
            url, transport = "http://peer.internal", InProcessTransport(lambda: app)
        made: list[HttpClient] = []

        def make(**changes: float) -> HttpClient:
            settings = SETTINGS.model_copy(update=changes)
            made.append(HttpClient("peer", url, settings, transport))
            return made[-1]

        yield make
        for client in made:
            await client.close()


async def test_the_request_arrives_as_it_was_sent(make_client: MakeClient) -> None:
    client = make_client()
    answer = await client.request(
        "POST", "/echo", route="/echo", params={"q": "ä b", "n": 1}, json={"k": "ü"}
    )
    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/echo", "q=%C3%A4+b&n=1")
    assert (seen["body"], seen["contentType"]) == ('{"k":"ü"}', "application/json")
    form = await client.request("POST", "/echo", route="/echo", form={"grant_type": "a b"})
    assert form.json()["body"] == "grant_type=a+b"
    assert form.json()["contentType"] == "application/x-www-form-urlencoded"


async def test_the_answer_arrives_as_it_was_sent(make_client: MakeClient) -> None:
    answer = await make_client().request("GET", "/stream", route="/stream")
    assert (answer.text, answer.headers["x-extra"]) == ("one two three", "yes")


async def test_the_context_passes_in_headers_and_nowhere_else(make_client: MakeClient) -> None:
    client = make_client()
    token = callers_own.set("set by the caller")
    context = RequestContext(
        context_id="ctx-12345678",
        service="the-caller",
        causation_id="cause-12345678",
        deadline=time.monotonic() + 1.0,
    )
    with use(context):
        seen = (await client.request("GET", "/echo", route="/echo")).json()
        ambient = (await client.request("GET", "/ambient", route="/ambient")).json()
    assert (seen["contextId"], seen["causationId"]) == ("ctx-12345678", "cause-12345678")
    assert 0 < int(seen["deadlineMs"]) <= 1000
    assert ambient == {"callersOwn": "untouched", "transaction": False, "service": "throughline"}
    assert callers_own.get() == "set by the caller", "nothing comes back either"
    callers_own.reset(token)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "unauthenticated", Unauthenticated),
        (404, "not_found", NotFound),
        (404, "peer.unknown_thing", NotFound),
        (409, "conflict", Conflict),
        (422, "invalid_input", InvalidInput),
        (429, "too_many_requests", TooManyRequests),
        (503, "unavailable", Unavailable),
        (504, "deadline_exceeded", DeadlineExceeded),
    ],
)
async def test_errors_come_back_as_they_were_raised(
    make_client: MakeClient, status: int, code: str, error: type[AppError]
) -> None:
    path = f"/problem/{status}/{code}"
    with pytest.raises(AppError) as raised:
        await make_client().request("GET", path, route="/problem/{status}/{code}")
    assert type(raised.value) is error
    assert raised.value.detail == "said so"
    assert raised.value.retry_after == 9
    assert [e.pointer for e in raised.value.errors] == ["/a"]


async def test_other_answers_are_judged_alike(make_client: MakeClient) -> None:
    client = make_client()
    assert (await client.request("GET", "/plain/404", route="/plain")).status_code == 404
    with pytest.raises(Unavailable):
        await client.request("GET", "/plain/500", route="/plain")


async def test_a_passing_failure_is_tried_again(make_client: MakeClient) -> None:
    with capture_logs() as lines:
        answer = await make_client().request("GET", "/flaky", route="/flaky")
    assert answer.status_code == 200
    calls = [line for line in lines if line["event"] == "http.call"]
    assert [(c["attempt"], c["status"]) for c in calls] == [(1, 503), (2, 200)]


@pytest.mark.parametrize(("path", "attempts"), [("/crash", ["5xx"]), ("/broken", ["error"] * 3)])
async def test_what_the_callee_raises_is_unavailable(
    make_client: MakeClient, path: str, attempts: list[str]
) -> None:
    with capture_logs() as lines, pytest.raises(Unavailable) as raised:
        await make_client().request("GET", path, route=path)
    assert type(raised.value) is Unavailable
    calls = [line for line in lines if line["event"] == "http.call"]
    assert ["5xx" if "status" in c else "error" for c in calls] == attempts
    assert {c.get("error") for c in calls} <= {None, "RemoteProtocolError"}


async def test_an_attempt_that_takes_too_long_ends(make_client: MakeClient) -> None:
    client = make_client(timeout_s=0.1, attempts=2)
    started = time.monotonic()
    with capture_logs() as lines, pytest.raises(DeadlineExceeded):
        await client.request("GET", "/sleep", route="/sleep", params={"seconds": 1.2})
    assert 0.2 <= time.monotonic() - started < 1.2
    calls = [line["error"] for line in lines if line["event"] == "http.call"]
    assert calls == ["ReadTimeout", "ReadTimeout"]


async def test_the_contexts_deadline_ends_the_call(make_client: MakeClient) -> None:
    client = make_client()
    deadline = time.monotonic() + 0.15
    context = RequestContext(context_id="ctx-12345678", service="api", deadline=deadline)
    with use(context), pytest.raises(DeadlineExceeded):
        await client.request("GET", "/sleep", route="/sleep", params={"seconds": 1.2})
    assert 0 <= time.monotonic() - deadline < 0.8


async def test_a_cancelled_caller_is_cancelled(make_client: MakeClient) -> None:
    call = make_client().request("GET", "/sleep", route="/sleep", params={"seconds": 0.3})
    calling = asyncio.create_task(call)
    await asyncio.sleep(0.1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_the_breaker_opens_alike(make_client: MakeClient) -> None:
    client = make_client(breaker_failures=2, attempts=1)
    for _ in range(2):
        with capture_logs(), pytest.raises(Unavailable):
            await client.request("GET", "/crash", route="/crash")
    with capture_logs() as lines, pytest.raises(Unavailable) as refused:
        await client.request("GET", "/echo", route="/echo")
    assert refused.value.retry_after == pytest.approx(10, abs=3)
    assert [line["error"] for line in lines if line["event"] == "http.call"] == ["breaker_open"]


async def test_not_inside_a_transaction(make_client: MakeClient) -> None:
    token = transaction_open.set(True)
    try:
        with pytest.raises(RuntimeError, match="transaction"):
            await make_client().request("GET", "/echo", route="/echo")
    finally:
        transaction_open.reset(token)


async def test_many_calls_at_once(make_client: MakeClient) -> None:
    client = make_client()
    calls = (client.request("GET", "/echo", route="/echo", params={"n": n}) for n in range(40))
    answers = await asyncio.gather(*calls)
    assert [answer.json()["query"] for answer in answers] == [f"n={n}" for n in range(40)]


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with HttpClient("peer", f"http://127.0.0.1:{port}", SETTINGS) as client:
        with pytest.raises(Unavailable) as raised:
            await client.request("GET", "/echo", route="/echo")
    assert isinstance(raised.value.__cause__, httpx.ConnectError)

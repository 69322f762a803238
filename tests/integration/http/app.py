"""A small application to call, over the network and in-process."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from libs.context import current, transaction_open

callers_own: ContextVar[str] = ContextVar("callers_own", default="untouched")


async def echo(request: Request) -> Response:
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "contentType": request.headers.get("content-type"),
            "contextId": request.headers.get("x-context-id"),
            "causationId": request.headers.get("x-causation-id"),
            "deadlineMs": request.headers.get("x-request-deadline-ms"),
        }
    )


async def ambient(_: Request) -> Response:
    seen = {
        "callersOwn": callers_own.get(),
        "transaction": transaction_open.get(),
        "service": current().service,
    }
    callers_own.set("changed by the callee")
    return JSONResponse(seen)


async def problem(request: Request) -> Response:
    status = int(request.path_params["status"])
    body = {
        "status": status,
        "code": request.path_params["code"],
        "detail": "said so",
        "errors": [{"pointer": "/a", "code": "odd", "detail": "is odd"}],
    }
    return JSONResponse(
        body, status, {"retry-after": "9"}, media_type="application/problem+json; charset=utf-8"
    )


async def plain(request: Request) -> Response:
    return PlainTextResponse("plain", int(request.path_params["status"]))


async def flaky(request: Request) -> Response:
    """503 first, then 200."""
    request.app.state.flaky = not getattr(request.app.state, "flaky", False)
    return PlainTextResponse("flaky", 503 if request.app.state.flaky else 200)


async def sleep(request: Request) -> Response:
    await asyncio.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("slept")


async def crash(_: Request) -> Response:
    raise LookupError("a defect")


async def broken(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise LookupError("a defect")

    return StreamingResponse(body())


async def stream(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part

    return StreamingResponse(body(), headers={"x-extra": "yes"})


def make_app() -> Starlette:
    return Starlette(
        routes=[
            Route("/echo", echo, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/ambient", ambient),
            Route("/problem/{status}/{code}", problem),
            Route("/plain/{status}", plain),
            Route("/flaky", flaky),
            Route("/sleep", sleep),
            Route("/crash", crash),
            Route("/broken", broken),
            Route("/stream", stream),
        ]
    )

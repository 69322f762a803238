"""The one layer around the application: context, access log, deadline, headers, metrics.

Pure ASGI, and one layer instead of five: each layer costs on every request. Order within it:
the context is there before the first log line, and the last line is written after the answer.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import errors
from libs.context import (
    CONTEXT_ID_HEADER,
    DEADLINE_HEADER,
    RequestContext,
    amend,
    from_headers,
    use,
)
from libs.logging import get_logger
from libs.observability.metrics import HttpMetrics
from libs.web.problems import problem

log = get_logger()

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"accelerometer=(), camera=(), geolocation=(), microphone=()"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
PAGE_POLICY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"script-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
)
NO_STORE = (b"cache-control", b"no-store")

QUIET = ("/health", "/metrics")
"""Asked every few seconds by machines: logged at debug level, unless they fail."""


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered."""

    bodiless: bool
    status: int = 0
    sent_bytes: int = 0
    started: bool = False


def _is_quiet(path: str) -> bool:
    return path.startswith(QUIET)


def _number(text: str | None) -> int | None:
    """The number in a header; of one that is absurdly long, enough to show that it is."""
    return int(text[:15]) if text is not None and text.isdecimal() else None


class RequestLayer:
    """Wraps the application.

    Args:
        app: the application.
        owner: gives the module that serves a path, or None.
        trusted: whether clients' context ids are taken over.
        timeout: seconds that a request may take.
        max_body: bytes that a request's body may have.
        metrics: fed once per request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        owner: Callable[[str], str | None],
        trusted: bool,
        timeout: float,
        max_body: int,
        metrics: HttpMetrics,
    ) -> None:
        self._app = app
        self._owner = owner
        self._trusted = trusted
        self._timeout = timeout
        self._max_body = max_body
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        service = self._owner(scope["path"]) or "throughline"
        context = from_headers(headers, service=service, trusted=self._trusted)
        with use(context):
            await self._answer(scope, receive, send, headers, context)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        context: RequestContext,
    ) -> None:
        began = time.perf_counter()
        method, path = scope["method"], scope["path"]
        quiet = _is_quiet(path)
        (log.debug if quiet else log.info)("request.started", method=method, path=path)
        exchange = _Exchange(bodiless=method == "HEAD")
        # HEAD is GET without the body (RFC 9110, 9.3.2)
        served = {**scope, "method": "GET"} if exchange.bodiless else scope
        declared = _number(headers.get("content-length")) or 0
        receiving = self._limited(receive, declared)
        sending = self._sender(send, exchange, context.context_id, path)
        await self._run(served, receiving, sending, self._allowance(headers), exchange)
        seconds = time.perf_counter() - began
        route = getattr(served.get("route"), "path", None) or "unmatched"
        self._metrics.observe(
            scope, route=route, status=exchange.status, sent=exchange.sent_bytes, seconds=seconds
        )
        failed = exchange.status >= 500
        (log.warning if failed else log.debug if quiet else log.info)(
            "request.finished",
            method=method,
            route=route,
            status=exchange.status,
            durationMs=round(seconds * 1000, 3),
            requestBytes=declared,
            responseBytes=exchange.sent_bytes,
        )

    def _limited(self, receive: Receive, declared: int) -> Receive:
        """`receive`, but not more than a body may have, and nothing of one that says it has."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive() if declared <= self._max_body else {}
            received += len(message.get("body", b""))
            if max(received, declared) > self._max_body:
                raise HTTPException(413)  # FastAPI takes other exceptions for bad JSON
            return message

        return limited

    def _allowance(self, headers: dict[str, str]) -> float:
        """Seconds that this request may take: ours, or the caller's remaining time if less."""
        remaining = _number(headers.get(DEADLINE_HEADER))
        if self._trusted and remaining is not None:
            return min(self._timeout, remaining / 1000)
        return self._timeout

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, allowance: float, exchange: _Exchange
    ) -> None:
        amend(deadline=time.monotonic() + allowance)
        error: errors.AppError = errors.Internal("The details are in the log, under this contextId")
        deadline = asyncio.timeout(allowance)
        try:
            async with deadline:
                await self._app(scope, receive, send)
        except Exception as failure:
            if isinstance(failure, TimeoutError) and deadline.expired():
                error = errors.DeadlineExceeded(retry_after=1)
                log.warning("request.deadline_exceeded", allowanceMs=round(allowance * 1000))
            else:
                log.exception("request.failed")
        else:
            return
        if not exchange.started:
            await problem(error, instance=scope["path"])(scope, receive, send)

    def _sender(self, send: Send, exchange: _Exchange, context_id: str, path: str) -> Send:
        policy = PAGE_POLICY if path.startswith("/docs") else API_POLICY
        added = [*SECURITY_HEADERS, policy, (CONTEXT_ID_HEADER.encode(), context_id.encode())]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.started = True
                exchange.status = message["status"]
                given = message.setdefault("headers", [])
                if not any(name == b"cache-control" for name, _ in given):
                    given = [*given, NO_STORE]
                message["headers"] = [*given, *added]
            elif message["type"] == "http.response.body":
                if exchange.bodiless:
                    message["body"] = b""
                exchange.sent_bytes += len(message.get("body", b""))
            await send(message)

        return sending

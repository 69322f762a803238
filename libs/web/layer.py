"""The one layer around the application: context, access log, deadline, headers, metrics.

Pure ASGI, and one layer instead of five: each layer costs on every request. Order within it:
the context is there before the first log line, and the last line is written after the answer.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import errors
from libs.context import (
    CAUSATION_ID_HEADER,
    CONTEXT_ID_HEADER,
    DEADLINE_HEADER,
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
API_HEADERS = (*SECURITY_HEADERS, API_POLICY)
PAGE_HEADERS = (*SECURITY_HEADERS, PAGE_POLICY)
NO_STORE = (b"cache-control", b"no-store")

_CONTEXT_ID_HEADER = CONTEXT_ID_HEADER.encode()

QUIET = ("/health", "/metrics")
"""Asked every few seconds by machines: logged at debug level, unless they fail."""


_READ = frozenset(
    name.encode()
    for name in (CONTEXT_ID_HEADER, CAUSATION_ID_HEADER, DEADLINE_HEADER, "content-length")
)
"""The headers of a request that this layer looks at."""


class _Exchange:
    """A request and what becomes known of it while it is answered.

    Args:
        declared: bytes that the request's body has, as it says.
        max_body: bytes that it may have.
    """

    __slots__ = (
        *("_bodiless", "_declared", "_headers", "_max_body", "_receive", "_received", "_send"),
        *("sent_bytes", "started", "status"),
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        context_id: str,
        declared: int,
        max_body: int,
    ) -> None:
        self._receive = receive
        self._send = send
        self._declared = declared
        self._max_body = max_body
        self._received = 0
        self._bodiless = scope["method"] == "HEAD"
        of_page = scope["path"].startswith("/docs")
        self._headers = [
            *(PAGE_HEADERS if of_page else API_HEADERS),
            (_CONTEXT_ID_HEADER, context_id.encode()),
        ]
        self.status = 0
        self.sent_bytes = 0
        self.started = False

    async def receive(self) -> Message:
        """Not more than a body may have, and nothing of one that says it has more."""
        message = await self._receive() if self._declared <= self._max_body else {}
        self._received += len(message.get("body", b""))
        if max(self._received, self._declared) > self._max_body:
            raise HTTPException(413)  # FastAPI takes other exceptions for bad JSON
        return message

    async def send(self, message: Message) -> None:
        """With the headers of every answer."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            given = message.get("headers", ())
            message["headers"] = headers = [*given, *self._headers]
            for name, _ in given:
                if name == b"cache-control":
                    break
            else:
                headers.append(NO_STORE)
        elif message["type"] == "http.response.body":
            if self._bodiless:
                message["body"] = b""
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)


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
        began = time.perf_counter()
        headers = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _READ
        }
        allowance = self._allowance(headers)
        context = from_headers(
            headers,
            service=self._owner(scope["path"]) or "throughline",
            trusted=self._trusted,
            deadline=time.monotonic() + allowance,
        )
        declared = _number(headers.get("content-length")) or 0
        exchange = _Exchange(
            scope,
            receive,
            send,
            context_id=context.context_id,
            declared=declared,
            max_body=self._max_body,
        )
        with use(context):
            await self._answer(scope, exchange, allowance, began, declared)

    async def _answer(
        self, scope: Scope, exchange: _Exchange, allowance: float, began: float, declared: int
    ) -> None:
        method, path = scope["method"], scope["path"]
        quiet = path.startswith(QUIET)
        (log.debug if quiet else log.info)("request.started", method=method, path=path)
        # HEAD is GET without the body (RFC 9110, 9.3.2)
        served = {**scope, "method": "GET"} if method == "HEAD" else scope
        await self._run(served, exchange, allowance)
        seconds = time.perf_counter() - began
        route = getattr(served.get("route"), "path", None) or "unmatched"
        status, sent = exchange.status, exchange.sent_bytes
        self._metrics.observe(method, route, status, received=declared, sent=sent, seconds=seconds)
        (log.warning if status >= 500 else log.debug if quiet else log.info)(
            "request.finished",
            method=method,
            route=route,
            status=status,
            durationMs=round(seconds * 1000, 3),
            requestBytes=declared,
            responseBytes=sent,
        )

    def _allowance(self, headers: dict[str, str]) -> float:
        """Seconds that this request may take: ours, or the caller's remaining time if less."""
        remaining = _number(headers.get(DEADLINE_HEADER))
        if self._trusted and remaining is not None:
            return min(self._timeout, remaining / 1000)
        return self._timeout

    async def _run(self, scope: Scope, exchange: _Exchange, allowance: float) -> None:
        deadline = asyncio.timeout(allowance)
        try:
            async with deadline:
                await self._app(scope, exchange.receive, exchange.send)
                return
        except Exception as failure:
            error: errors.AppError
            if isinstance(failure, TimeoutError) and deadline.expired():
                error = errors.DeadlineExceeded(retry_after=1)
                log.warning("request.deadline_exceeded", allowanceMs=round(allowance * 1000))
            else:
                error = errors.Internal("The details are in the log, under this contextId")
                log.exception("request.failed")
        if not exchange.started:
            answer = problem(error, instance=scope["path"])
            await answer(scope, exchange.receive, exchange.send)

"""The transport to a module in the same process.

It behaves as the network does. The callee runs in a task of its own and in an empty context, so
that nothing but the request reaches it: no ContextVar of the caller, and therefore no transaction.
What it raises is a 500 or a broken answer, as a server would make of it. Time-outs hold, and a
caller that goes away takes the callee with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import Context
from typing import Any

import httpx

from libs.logging import get_logger

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = get_logger()


class InProcessTransport(httpx.AsyncBaseTransport):
    """Hands requests to an ASGI application.

    Args:
        app_provider: gives the application; asked at each request, because the client is made
            before the application that it calls.
    """

    def __init__(self, app_provider: Callable[[], ASGIApp]) -> None:
        self._app_provider = app_provider
        self._running: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The callee's answer.

        Raises:
            httpx.ReadTimeout: it took longer than the request's read time-out.
            httpx.RemoteProtocolError: its answer is not complete.
        """
        task = asyncio.get_running_loop().create_task(self._call(request), context=Context())
        self._running.add(task)
        task.add_done_callback(self._forget)
        patience = request.extensions.get("timeout", {}).get("read")
        try:
            await asyncio.wait({task}, timeout=patience)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
            raise httpx.ReadTimeout("the application did not answer in time", request=request)
        if task.cancelled():  # by the callee itself: the caller is not cancelled
            raise httpx.RemoteProtocolError("the application was cancelled", request=request)
        return task.result()

    async def aclose(self) -> None:
        """Cancel what still runs, and wait for its end."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _call(self, request: httpx.Request) -> httpx.Response:
        server = _AsServed(self._app_provider(), request)
        return await httpx.ASGITransport(server).handle_async_request(request)

    def _forget(self, task: asyncio.Task[httpx.Response]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting for it any more


class _AsServed:
    """An application, with what a server does about its mistakes."""

    def __init__(self, app: ASGIApp, request: httpx.Request) -> None:
        self._app = app
        self._request = request
        self._started = False
        self._finished = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._started = True
            elif message["type"] == "http.response.body":
                self._finished = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            # The boundary to another module's code, as a server is.
            log.exception("http.in_process.failed")
        if self._finished:
            return
        if self._started:
            raise httpx.RemoteProtocolError("the answer is not complete", request=self._request)
        plain = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 500, "headers": plain})
        await send({"type": "http.response.body", "body": b"Internal Server Error"})

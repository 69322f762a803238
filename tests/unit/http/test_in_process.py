"""What only the in-process transport promises; what it shares with the network is in the parity
suite, tests/integration/http."""

import asyncio

import httpx
import pytest

from libs.http.in_process import ASGIApp, InProcessTransport, Message, Receive, Send


def _http(app: ASGIApp, timeout: float = 5.0) -> httpx.AsyncClient:
    transport = InProcessTransport(lambda: app)
    return httpx.AsyncClient(transport=transport, base_url="http://app", timeout=timeout)


class Sleeper:
    """Sleeps through every request, and notes its own end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _scope: Message, _receive: Receive, _send: Send) -> None:
        self.started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_the_application_is_asked_for_at_each_request() -> None:
    asked = 0

    def provide() -> ASGIApp:
        nonlocal asked
        asked += 1
        return Sleeper()

    async with httpx.AsyncClient(transport=InProcessTransport(provide), timeout=0.01) as http:
        assert asked == 0
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                await http.get("http://app/")
    assert asked == 2


async def test_a_caller_that_is_cancelled_takes_the_callee_with_it() -> None:
    app = Sleeper()
    async with _http(app) as http:
        calling = asyncio.create_task(http.get("/"))
        await app.started.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.sleep(0)
    assert app.cancelled


async def test_a_time_out_takes_the_callee_with_it() -> None:
    app = Sleeper()
    async with _http(app, timeout=0.02) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/")
        await asyncio.sleep(0)
    assert app.cancelled


async def test_closing_ends_what_runs() -> None:
    app = Sleeper()
    transport = InProcessTransport(lambda: app)
    calling = asyncio.create_task(
        transport.handle_async_request(httpx.Request("GET", "http://app/"))
    )
    await app.started.wait()
    await transport.aclose()
    with pytest.raises(httpx.RemoteProtocolError, match="cancelled"):
        await calling
    assert app.cancelled

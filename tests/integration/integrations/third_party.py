"""Frankfurter and Nager.Date in one small application, which can be made to misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

RATES = {"EUR": {"USD": 1.0868}, "GBP": {"USD": 1.25}}
HOLIDAYS = {"DE": [("2026-12-25", "Christmas Day"), ("2026-01-01", "New Year's Day")]}


class ThirdParty:
    """A server on a loopback port of its own.

    Attributes:
        mood: "up", "slow", "failing" (500), "garbage" or "forgetful" (404 to everything).
        calls: how many requests have come.
        context_ids: of these.
    """

    def __init__(self) -> None:
        self.mood = "up"
        self.calls = 0
        self.context_ids: list[str | None] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def start(self) -> None:
        routes = [
            Route("/v1/latest", self._rate),
            Route("/api/v3/PublicHolidays/{year:int}/{country}", self._holidays),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=1,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        async with asyncio.timeout(30):
            while not self._server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)

    async def go(self) -> None:
        """Be gone: nobody listens any more."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    async def _rate(self, request: Request) -> Response:
        base, quote = request.query_params["base"], request.query_params["symbols"]
        rate = RATES.get(base, {}).get(quote)
        body = {"amount": 1.0, "base": base, "date": "2026-11-20", "rates": {quote: rate}}
        return await self._answer(request, None if rate is None else body)

    async def _holidays(self, request: Request) -> Response:
        country, year = request.path_params["country"], request.path_params["year"]
        entries = [
            {
                "date": day,
                "localName": name,
                "name": name,
                "countryCode": country,
                "global": True,
                "counties": None,
                "types": ["Public"],
            }
            for day, name in HOLIDAYS.get(country, ())
            if day.startswith(str(year))
        ]
        body = entries if country in HOLIDAYS else None
        return await self._answer(request, body)

    async def _answer(self, request: Request, body: object) -> Response:
        self.calls += 1
        self.context_ids.append(request.headers.get("x-context-id"))
        match self.mood:
            case "slow":
                await asyncio.sleep(60)
            case "failing":
                return PlainTextResponse("it hurts", 500)
            case "garbage":
                return PlainTextResponse("<html>It works!</html>")
            case "forgetful":
                return JSONResponse({"message": "not found"}, 404)
        return JSONResponse({"message": "not found"}, 404) if body is None else JSONResponse(body)


@asynccontextmanager
async def third_party() -> AsyncIterator[ThirdParty]:
    """One that is up, for the length of a block."""
    party = ThirdParty()
    await party.start()
    try:
        yield party
    finally:
        await party.go()

"""Routes that do all that routes may do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Form, Header, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from libs.auth.guards import anyone
from libs.context import current
from libs.errors import Conflict, FieldError, InvalidInput, TooManyRequests
from libs.logging import get_logger
from libs.schema import Schema
from libs.web.conditional import etag
from libs.web.routing import api_router

log = get_logger()


class Line(Schema):
    quantity: int = Field(ge=1)


class Thing(Schema):
    name: str
    lines: tuple[Line, ...] = ()


class Sold(Conflict):
    code = "things.sold"
    title = "The thing is sold"


def router() -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="things", prefix="/v1/things")
    routes.dependencies.append(anyone)

    @routes.get("")
    async def things(
        limit: Annotated[int, Query(ge=1, le=100)] = 20, x_number: Annotated[int, Header()] = 0
    ) -> dict[str, int]:
        return {"limit": limit, "number": x_number}

    @routes.post("", status_code=201)
    async def make(thing: Thing) -> Thing:
        return thing

    @routes.post("/form")
    async def form(name: Annotated[str, Form()]) -> dict[str, str]:
        return {"name": name}

    @routes.get("/context")
    async def context(pause: int = 0) -> dict[str, str | None]:
        for _ in range(pause):
            await asyncio.sleep(0)
        log.info("thing.seen", number=pause)
        await asyncio.sleep(0)
        own = current()
        return {"contextId": own.context_id, "service": own.service, "causation": own.causation_id}

    @routes.get("/deadline")
    async def deadline() -> dict[str, float | None]:
        return {"deadline": current().deadline}

    @routes.get("/sold")
    async def sold() -> Response:
        raise Sold("gone since Monday")

    @routes.get("/busy")
    async def busy() -> Response:
        raise TooManyRequests(retry_after=1.2)

    @routes.get("/wrong")
    async def wrong() -> Response:
        raise InvalidInput(errors=[FieldError("/lines/0", "odd", "must be even")])

    @routes.get("/crash")
    async def crash() -> Response:
        password = "planted"
        raise LookupError(f"internal detail {len(password)}")

    @routes.get("/slow")
    async def slow() -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    @routes.get("/broken")
    async def broken() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first half"
            raise LookupError("internal detail")

        return StreamingResponse(parts())

    @routes.get("/cached")
    async def cached() -> Response:
        return Response(b"{}", headers={"cache-control": "max-age=60"})

    @routes.get("/tagged")
    async def tagged() -> Response:
        return Response(b"{}", headers=etag(1))

    @routes.get("/{thing_id}")
    async def thing(thing_id: int) -> dict[str, int]:
        return {"thingId": thing_id}

    return routes

"""A small application, put together as a process does it, and clients for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.config import ModuleSettings, ServerSettings
from libs.module import Check, Host, Module, Registry, Wired
from libs.web.app import create_app, in_layer
from libs.web.health import Health, Meta


def settings(**changes: Any) -> ServerSettings:
    return ServerSettings.model_validate({"environment": "test", **changes})


def health(*checks: Check, started: bool = True, stopping: bool = False) -> Health:
    return Health(checks, started=started, stopping=stopping)


def meta() -> Meta:
    return Meta(version="1.2.3", commit="abc1234", environment="test", modules=("shop",))


async def _no_keys() -> dict[str, Any]:
    return {"keys": []}


def registry(*routes: str) -> Registry:
    """One module, `shop`, that serves `routes`."""

    def build(_host: Host, _settings: Any) -> Wired:
        return Wired()

    shop = Module(name="shop", summary="", settings=ModuleSettings, build=build, routes=routes)
    return Registry((shop,))


def application(
    routers: Sequence[APIRouter] = (),
    *,
    state: Health | None = None,
    verifier: TokenVerifier | None = None,
) -> FastAPI:
    """Without the layer."""
    return create_app(
        routers,
        state=state or health(),
        meta=meta(),
        verifier=verifier or TokenVerifier(_no_keys, TokenSettings()),
        lifespan=nullcontext(),
    )


@asynccontextmanager
async def client(
    *routers: APIRouter,
    state: Health | None = None,
    verifier: TokenVerifier | None = None,
    **changes: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application as it is served; `changes` are of its settings."""
    app = application(routers, state=state, verifier=verifier)
    served = in_layer(app, registry("/v1/things"), settings(**changes))
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http

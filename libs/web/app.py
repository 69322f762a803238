"""The application of a process: the routes of all hosted modules behind one layer."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from libs.auth.guards import Guard
from libs.auth.verifier import TokenVerifier
from libs.config import ServerSettings
from libs.module import Registry
from libs.observability.metrics import HttpMetrics
from libs.web import health, problems
from libs.web.address import BehindProxies, ClientAddresses, networks
from libs.web.dispatch import Dispatcher
from libs.web.layer import RequestLayer
from libs.web.limits import Limits, RateLimits
from libs.web.openapi import describe, operation_id

DESCRIPTION = """
Users, orders and a catalogue of services.

Every answer carries `X-Context-Id`; send one of your own (`[A-Za-z0-9._-]{8,64}`) to follow a
request through log, database, events and third-party calls. Errors are
`application/problem+json` (RFC 9457). `HEAD` and `OPTIONS` are answered for every path.
"""


def create_app(
    routers: Sequence[APIRouter],
    *,
    state: health.Health,
    meta: health.Meta,
    verifier: TokenVerifier,
    lifespan: AbstractAsyncContextManager[None],
) -> FastAPI:
    """The application, without the layer around it.

    Args:
        routers: of the hosted modules.
        state: what readiness is answered from.
        meta: what `/meta` says.
        verifier: of access tokens.
        lifespan: entered before the first request, left after the last.

    Raises:
        UnguardedRoute: a route that does not say who may call it.
    """
    app: FastAPI = FastAPIOffline(
        title="Throughline",
        version=meta.version,
        description=DESCRIPTION.strip(),
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs/assets",
        swagger_ui_oauth2_redirect_url="/docs/oauth2-redirect",
        telemetry={"operation_spans": False, "tracing": False},
        redirect_slashes=False,  # a redirect would repeat the Host header, which anyone can set
        generate_unique_id_function=operation_id,
        lifespan=lambda _: lifespan,
    )
    app.state.verifier = verifier
    docs = [route for route in app.routes if isinstance(route, Route)]
    routes: list[APIRoute] = []
    app.state.routes = routes
    for router in [health.router(state, meta), *routers]:
        routes += _guarded(router)
        app.include_router(router)
    problems.install(app, [*docs, *routes])
    generate = app.openapi
    app.openapi = cache(lambda: describe(generate(), routes))  # type: ignore[method-assign]
    return app


def in_layer(
    app: FastAPI, registry: Registry, settings: ServerSettings, *, limits: Limits | None = None
) -> ASGIApp:
    """`app` as it is served.

    Args:
        limits: of the requests that are answered; None: there are none.
    """
    served: ASGIApp = Dispatcher(app, app.state.routes)
    if limits is not None:
        served = RateLimits(served, limits, app.state.verifier)
    if settings.trusted_proxies:
        served = BehindProxies(served, ClientAddresses(networks(settings.trusted_proxies)))
    return RequestLayer(
        served,
        owner=registry.owner,
        trusted=settings.trust_context_id,
        timeout=settings.request_timeout_s,
        max_body=settings.max_body_bytes,
        metrics=HttpMetrics(),
    )


class UnguardedRoute(Exception):
    """A route that does not say who may call it: access is denied by default, at start."""


def _guarded(router: APIRouter) -> Iterator[APIRoute]:
    """The routes of `router`. What is not a route that can be checked has no guard either."""
    for route in router.routes:
        if not (isinstance(route, APIRoute) and _is_guarded(route.dependant)):
            methods = ",".join(sorted(getattr(route, "methods", None) or ()))
            name = f"{methods} {getattr(route, 'path', type(route).__name__)}".strip()
            raise UnguardedRoute(f"{name} declares no guard (libs/auth/guards.py)")
        yield route


def api_routes(routes: Sequence[BaseRoute]) -> Iterator[APIRoute]:
    """The API routes among `routes`."""
    return (route for route in routes if isinstance(route, APIRoute))


def _is_guarded(dependant: Dependant) -> bool:
    return isinstance(dependant.call, Guard) or any(map(_is_guarded, dependant.dependencies))

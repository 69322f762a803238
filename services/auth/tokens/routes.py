"""Users' tokens over HTTP."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.auth.guards import anyone
from libs.web.idempotency import OptionalIdempotencyKey
from libs.web.openapi import problems
from libs.web.routing import JSON, api_router
from services.auth.sessions.clients import client_of
from services.auth.sessions.errors import InvalidRefreshToken, RefreshSuperseded
from services.auth.sessions.schemas import HeldToken
from services.auth.throttling.errors import TooManyAttempts
from services.auth.tokens.errors import InvalidCredentials
from services.auth.tokens.schemas import Login, LoginOut
from services.auth.tokens.service import TokenService


def routes(tokens: TokenService) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="tokens")

    @router.post(
        "/v1/auth/login",
        summary="Log in",
        response_model=LoginOut,
        responses=problems(InvalidCredentials, TooManyAttempts),
        dependencies=[anyone],
    )
    async def log_in(request: Request, body: Login) -> Response:
        """Exchange an e-mail address and a password for an access token and a refresh token.

        After some failures one has to wait for longer and longer before the next attempt from the
        same part of the network. This begins a session. An `Idempotency-Key` makes no difference:
        an answer with credentials is not kept.
        """
        client = client_of(request, body.device_name)
        given = await tokens.log_in(body.email, body.password.get_secret_value(), client)
        return Response(LoginOut.of(given).to_json(), media_type=JSON)

    @router.post(
        "/v1/auth/refresh",
        summary="Stay logged in",
        response_model=LoginOut,
        responses=problems(InvalidRefreshToken, RefreshSuperseded),
        dependencies=[anyone],
    )
    async def refresh(
        request: Request, body: HeldToken, key: OptionalIdempotencyKey = None
    ) -> Response:
        """Exchange a refresh token for the next one, and for an access token.

        A refresh token is good for one use. Whoever uses it again ends the session, unless it is a
        moment after the first use: then the answer is 409 and nothing is lost. A client that has
        lost the answer gets the same refresh token again, for some seconds, if it repeats the
        request with the `Idempotency-Key` that it was first sent with.
        """
        token = body.refresh_token.get_secret_value()
        given = await tokens.refresh(token, client_of(request), retry_key=key)
        return Response(LoginOut.of(given).to_json(), media_type=JSON)

    return router

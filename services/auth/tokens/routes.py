"""Tokens over HTTP."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form
from starlette.responses import Response

from libs.auth.guards import anyone
from libs.errors import InvalidInput, MalformedBody
from libs.schema import Schema
from libs.web.openapi import problems
from libs.web.routing import api_router
from services.auth.tokens.errors import InvalidClient, InvalidCredentials, UnsupportedGrantType
from services.auth.tokens.schemas import ClientCredentials, Login, LoginOut, OAuthToken
from services.auth.tokens.service import TokenService

KEYS_MAX_AGE_S = 300


def routes(tokens: TokenService) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="tokens")

    @router.post(
        "/v1/auth/login",
        summary="Log in",
        response_model=LoginOut,
        responses=problems(MalformedBody, InvalidCredentials, InvalidInput, guarded=False),
        dependencies=[anyone],
    )
    async def log_in(body: Login) -> Response:
        """Exchange an e-mail address and a password for an access token."""
        token = await tokens.log_in(body.email, body.password.get_secret_value())
        return _json(LoginOut.of(token))

    @router.post(
        "/v1/auth/token",
        summary="A token for a service account",
        response_model=OAuthToken,
        responses=problems(InvalidClient, UnsupportedGrantType, InvalidInput, guarded=False),
        dependencies=[anyone],
    )
    async def token(body: Annotated[ClientCredentials, Form()]) -> Response:
        """OAuth 2.0 client credentials (RFC 6749, 4.4), with the credentials in the form."""
        secret = body.client_secret.get_secret_value()
        issued = await tokens.for_client(body.grant_type, body.client_id, secret)
        return _json(OAuthToken.of(issued))

    @router.get(
        "/.well-known/jwks.json",
        summary="The public keys of access tokens",
        response_model=dict[str, Any],
        dependencies=[anyone],
    )
    async def keys() -> Response:
        """A JSON Web Key Set (RFC 7517)."""
        return Response(
            orjson.dumps(tokens.keys()),
            headers={"Cache-Control": f"public, max-age={KEYS_MAX_AGE_S}"},
            media_type="application/jwk-set+json",
        )

    return router


def _json(payload: Schema) -> Response:
    return Response(payload.to_json(), media_type="application/json")

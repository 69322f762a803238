"""The public keys over HTTP."""

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from libs.auth.guards import anyone
from libs.web.routing import api_router
from services.auth.keys.ring import KeyRing


class JwkSet(JSONResponse):
    media_type = "application/jwk-set+json"


def routes(ring: KeyRing, *, max_age_s: float) -> APIRouter:
    """The route.

    Args:
        max_age_s: how long a verifier may keep the answer, in seconds.
    """
    router = api_router(tag="tokens")
    headers = {"Cache-Control": f"public, max-age={int(max_age_s)}"}

    @router.get(
        "/.well-known/jwks.json",
        summary="The public keys of access tokens",
        response_model=dict[str, Any],
        response_class=JwkSet,
        dependencies=[anyone],
    )
    async def get_keys() -> Response:
        """A JSON Web Key Set (RFC 7517).

        A key is in it before the first token is signed with it, and until the last one has expired.
        """
        return Response(
            orjson.dumps(await ring.published()),
            headers=headers,
            media_type=JwkSet.media_type,
        )

    return router

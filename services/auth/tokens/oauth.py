"""The token endpoint of OAuth 2.0. Its errors are problems that also say what RFC 6749 calls them:
clients of OAuth look for the member `error` (section 5.2) and at the status, which is 400 or 401.
"""

import base64
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import unquote_plus

import orjson
from fastapi import APIRouter, Form, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from libs.auth.guards import anyone
from libs.errors import FieldError, InvalidInput
from libs.web.openapi import problems
from libs.web.pointers import pointer
from libs.web.problems import field_errors, problem, status_of
from libs.web.routing import JSON, Route
from services.auth.tokens.errors import InvalidClient, InvalidRequest, UnsupportedGrantType
from services.auth.tokens.schemas import ClientCredentials, OAuthToken
from services.auth.tokens.service import TokenService


class OAuthRoute(Route):
    """A route whose errors are as clients of OAuth expect them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as mistakes:
                return _refusal(InvalidRequest(errors=field_errors(mistakes.errors())), request)
            except (InvalidClient, InvalidRequest, UnsupportedGrantType) as error:
                return _refusal(error, request)
            except InvalidInput as error:
                if status_of(type(error)) != status_of(InvalidInput):
                    raise
                return _refusal(InvalidRequest(errors=error.errors), request)

        return answer


def routes(tokens: TokenService) -> APIRouter:
    """The route."""
    router = APIRouter(route_class=OAuthRoute, tags=["tokens"])

    @router.post(
        "/v1/auth/token",
        summary="A token for a service account",
        response_model=OAuthToken,
        responses=problems(InvalidRequest, UnsupportedGrantType, InvalidClient),
        dependencies=[anyone],
    )
    async def grant_token(request: Request, body: Annotated[ClientCredentials, Form()]) -> Response:
        """OAuth 2.0 client credentials (RFC 6749, 4.4), with HTTP Basic or in the form.

        A refusal also has the member `error` of RFC 6749, 5.2. An `Idempotency-Key` makes no
        difference: an answer with credentials is not kept.
        """
        _refuse_repeated(await request.form())
        client_id, secret = _client(request.headers.get("authorization"), body)
        issued = await tokens.for_client(body.grant_type, client_id, secret)
        return Response(OAuthToken.of(issued).to_json(), media_type=JSON)

    return router


def _refuse_repeated(form: FormData) -> None:
    """Refuse parameters that come more than once (RFC 6749, 3.2)."""
    counts = Counter(name for name, _ in form.multi_items())
    wrong = [
        FieldError(pointer(("body", name)), "repeated", "Must not come more than once")
        for name, count in counts.items()
        if count > 1
    ]
    if wrong:
        raise InvalidRequest(errors=wrong)


def _client(authorization: str | None, body: ClientCredentials) -> tuple[str, str]:
    """Name and secret of the client: from the header, or from the form, but not from both.

    Raises:
        InvalidClient: from neither.
        InvalidRequest: from both.
    """
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        if body.client_id is None or body.client_secret is None:
            raise InvalidClient("Show client_id and client_secret, with HTTP Basic or in the form")
        return body.client_id, body.client_secret.get_secret_value()
    client_id, secret = _basic(credentials)
    if body.client_secret is not None or body.client_id not in (None, client_id):
        raise InvalidRequest("The client shows itself in the header or in the form, not in both")
    return client_id, secret


def _basic(credentials: str) -> tuple[str, str]:
    """Both parts are form-encoded before they are put together (RFC 6749, 2.3.1)."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("ascii")
    except ValueError as error:
        raise InvalidClient from error
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _refusal(
    error: InvalidClient | UnsupportedGrantType | InvalidRequest, request: Request
) -> Response:
    said = problem(error, instance=request.url.path)
    headers = {n: v for n, v in said.headers.items() if n != "content-length"}
    if isinstance(error, InvalidClient):
        headers["www-authenticate"] = 'Basic realm="service accounts"'
    body = {**orjson.loads(said.body), "error": error.oauth}
    return Response(orjson.dumps(body), said.status_code, headers)

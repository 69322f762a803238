"""Sessions over HTTP: where one is logged in, and logging out."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.web.openapi import problems
from libs.web.pagination import page_response
from libs.web.routing import api_router
from services.auth.sessions.errors import SessionNotFound
from services.auth.sessions.models import EndReason
from services.auth.sessions.schemas import HeldToken, SessionOut, SessionPage, SessionQuery
from services.auth.sessions.service import Sessions
from services.auth.users.errors import AccountGone

PATH = "/v1/users/me/sessions"

Me = Annotated[Principal, require(Permission.PROFILE)]
SessionId = Annotated[UUID, Path(alias="id")]


def routes(sessions: Sessions) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="sessions")

    @router.post(
        "/v1/auth/logout",
        summary="Log out",
        status_code=204,
        response_class=Response,
        dependencies=[anyone],
    )
    async def log_out(body: HeldToken) -> Response:
        """End the session that a refresh token belongs to.

        An access token of it is refused within seconds, wherever it is used. The answer is the same
        for a token that is not known, or a session that is over already.
        """
        await sessions.log_out(body.refresh_token.get_secret_value())
        return Response(status_code=204)

    @router.post(
        "/v1/auth/logout-all",
        summary="Log out everywhere",
        status_code=204,
        response_class=Response,
    )
    async def log_out_everywhere(principal: Me) -> Response:
        """End all one's sessions, the one that asks included."""
        await sessions.end_all(_account(principal), reason=EndReason.LOGOUT_EVERYWHERE)
        return Response(status_code=204)

    @router.get(PATH, summary="Where I am logged in", response_model=SessionPage)
    async def list_sessions(
        request: Request, principal: Me, query: Annotated[SessionQuery, Query()]
    ) -> Response:
        """One's sessions that are not over, the newest first."""
        found, cursor = await sessions.page(
            _account(principal), limit=query.limit, cursor=query.cursor
        )
        shown = (SessionOut.of(session, current=principal.session_id) for session in found)
        return page_response(request, [orjson.Fragment(out.to_json()) for out in shown], cursor)

    @router.delete(
        f"{PATH}/{{id}}",
        summary="End a session",
        status_code=204,
        response_class=Response,
        responses=problems(SessionNotFound),
    )
    async def end_session(principal: Me, session_id: SessionId) -> Response:
        """Log out somewhere else, or here.

        A session has no versions: there is nothing that it could have become meanwhile but over.
        """
        await sessions.end(_account(principal), session_id)
        return Response(status_code=204)

    return router


def _account(principal: Principal) -> UUID:
    try:
        return UUID(principal.subject)
    except ValueError as error:
        raise AccountGone from error

"""Everybody's accounts over HTTP."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db.idempotency import Answer
from libs.web.conditional import IfMatch
from libs.web.idempotency import OptionalIdempotencyKey, answered
from libs.web.openapi import problems
from libs.web.pagination import page_response
from libs.web.routing import api_router
from services.auth.administration.errors import AdminNoMore, OwnRights
from services.auth.administration.schemas import (
    AccountChange,
    IncludeDeleted,
    NewAccount,
    UserPage,
    UserQuery,
)
from services.auth.administration.service import Administration
from services.auth.users.errors import EmailTaken, InvalidPassword, UserNotFound
from services.auth.users.models import User
from services.auth.users.routes import ONCE, created_at, show, show_user
from services.auth.users.schemas import UserOut

PATH = "/v1/users"
ONE = f"{PATH}/{{id:uuid}}"  # so that /v1/users/me is none of these, whatever the method

Reader = Annotated[Principal, require(Permission.USERS_READ)]
Writer = Annotated[Principal, require(Permission.USERS_WRITE)]
UserId = Annotated[UUID, Path(alias="id")]


def routes(administration: Administration) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="users")

    @router.get(
        PATH,
        summary="Users",
        response_model=UserPage,
    )
    async def list_users(
        request: Request, principal: Reader, query: Annotated[UserQuery, Query()]
    ) -> Response:
        """Everybody, the newest first; deleted users are left out unless an administrator asks."""
        users, cursor = await administration.page(principal, query)
        items = [orjson.Fragment(UserOut.of(user).to_json()) for user in users]
        return page_response(request, items, cursor)

    @router.post(
        PATH,
        summary="Create a user",
        status_code=201,
        response_model=UserOut,
        responses=problems(*ONCE, EmailTaken, InvalidPassword, AdminNoMore),
    )
    async def create_user(
        principal: Writer, body: NewAccount, key: OptionalIdempotencyKey = None
    ) -> Response:
        """Create an account with roles, and with a first password to be handed on."""
        new = body.to_new_user()
        return answered(await administration.create(principal, new, key=key, answer=_created))

    @router.get(
        ONE,
        summary="A user",
        response_model=UserOut,
        responses=problems(UserNotFound),
    )
    async def get_user(
        principal: Reader,
        user_id: UserId,
        include_deleted: Annotated[IncludeDeleted, Query(alias="includeDeleted")] = False,
    ) -> Response:
        """Anybody's account. A deleted user is not found unless an administrator asks."""
        if include_deleted:
            return show_user(await administration.find(principal, user_id))
        return show(await administration.get(user_id))

    @router.patch(
        ONE,
        summary="Change a user",
        response_model=UserOut,
        responses=problems(UserNotFound, OwnRights, AdminNoMore),
    )
    async def change_user(
        principal: Writer, user_id: UserId, precondition: IfMatch, body: AccountChange
    ) -> Response:
        """Change anybody's name, country, roles or activity, with a merge patch (RFC 7396).

        One's own roles and activity are not changed: that takes another administrator.
        """
        return show_user(await administration.change(principal, user_id, body, precondition))

    @router.delete(
        ONE,
        summary="Delete a user",
        status_code=204,
        response_class=Response,
        responses=problems(UserNotFound, OwnRights, AdminNoMore),
    )
    async def delete_user(principal: Writer, user_id: UserId, precondition: IfMatch) -> Response:
        """Delete an account, softly; not one's own. Its address can be used again."""
        await administration.delete(principal, user_id, precondition)
        return Response(status_code=204)

    return router


def _created(user: User) -> Answer:
    return created_at(f"{PATH}/{user.id}", user)

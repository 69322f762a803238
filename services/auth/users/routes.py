"""Users over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.errors import InvalidInput, MalformedBody
from libs.web.openapi import problems
from libs.web.routing import api_router
from services.auth.users.errors import AccountGone, EmailTaken, InvalidPassword
from services.auth.users.models import User
from services.auth.users.schemas import SignUp, UserOut
from services.auth.users.service import UserService

Me = Annotated[Principal, require(Permission.PROFILE)]


def routes(users: UserService) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="users")

    @router.post(
        "/v1/auth/signup",
        summary="Sign up",
        status_code=201,
        response_model=UserOut,
        responses=problems(MalformedBody, EmailTaken, InvalidInput, InvalidPassword, guarded=False),
        dependencies=[anyone],
    )
    async def sign_up(body: SignUp) -> Response:
        """Create an account with the role `customer`.

        The address is compared without regard to case. Log in afterwards to get a token.
        """
        return _answer(await users.sign_up(body.to_new_user()), status=201)

    @router.get(
        "/v1/users/me",
        summary="Who am I",
        response_model=UserOut,
        responses=problems(AccountGone),
    )
    async def me(principal: Me) -> Response:
        """The account that the access token was issued to, as it is now."""
        return _answer(await users.active(UUID(principal.subject)))

    return router


def _answer(user: User, *, status: int = 200) -> Response:
    return Response(
        UserOut.of(user).to_json(),
        status,
        {"ETag": f'"{user.version}"'},
        media_type="application/json",
    )

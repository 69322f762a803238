"""Users over HTTP: signing up, and one's own account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db.idempotency import Answer, InFlight, KeyReused
from libs.web.conditional import IfMatch, etag
from libs.web.idempotency import OptionalIdempotencyKey, answered
from libs.web.openapi import problems
from libs.web.routing import JSON, api_router
from services.auth.users.errors import AccountGone, InvalidPassword
from services.auth.users.models import User
from services.auth.users.profiles import Profile
from services.auth.users.schemas import ProfileChange, SignUp, UserOut
from services.auth.users.service import UserService

ME = "/v1/users/me"

Me = Annotated[Principal, require(Permission.PROFILE)]

ONCE = (InFlight, KeyReused)


def routes(users: UserService) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="users")

    @router.post(
        "/v1/auth/signup",
        summary="Sign up",
        status_code=201,
        response_model=UserOut,
        responses=problems(*ONCE, InvalidPassword),
        dependencies=[anyone],
    )
    async def sign_up(body: SignUp, key: OptionalIdempotencyKey = None) -> Response:
        """Create an account with the role `customer`.

        The address is compared without regard to case. Log in afterwards to get a token.

        If the address has an account already the answer is of the same form, and its owner is sent
        a message: nobody finds out here who has an account. `id` is then nobody's.
        """
        return answered(await users.sign_up(body.to_new_user(), key=key, answer=_signed_up))

    @router.get(
        ME,
        summary="Who am I",
        response_model=UserOut,
        responses=problems(AccountGone),
    )
    async def get_me(principal: Me) -> Response:
        """The account that the access token was issued to, as it is now."""
        return show(await users.profile(_account(principal)))

    @router.patch(
        ME,
        summary="Change my account",
        response_model=UserOut,
        responses=problems(AccountGone),
    )
    async def change_me(principal: Me, precondition: IfMatch, body: ProfileChange) -> Response:
        """Change one's own name or country, with a merge patch (RFC 7396).

        Neither rights nor the address one logs in with are changed here.
        """
        return show_user(await users.change_profile(_account(principal), body, precondition))

    return router


def _account(principal: Principal) -> UUID:
    try:
        return UUID(principal.subject)
    except ValueError as error:
        raise AccountGone from error


def show(profile: Profile) -> Response:
    """A user, as looked up."""
    return Response(profile.body, headers=etag(profile.version), media_type=JSON)


def show_user(user: User) -> Response:
    """A user, as just changed."""
    return Response(UserOut.of(user).to_json(), headers=etag(user.version), media_type=JSON)


def created_at(location: str, user: User) -> Answer:
    """What is said of a new user, who is found at `location`."""
    headers = {"Location": location, **etag(user.version)}
    return Answer(status=201, body=UserOut.of(user).to_json(), headers=headers)


def _signed_up(user: User) -> Answer:
    return created_at(ME, user)

"""Passwords and addresses over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.errors import Conflict
from libs.web.openapi import problems
from libs.web.routing import api_router
from services.auth.accounts.errors import WrongPassword
from services.auth.accounts.schemas import Address, Confirmation, PasswordChange, PasswordReset
from services.auth.accounts.service import Accounts
from services.auth.messages.errors import InvalidMessageToken
from services.auth.users.errors import AccountGone, InvalidPassword

Me = Annotated[Principal, require(Permission.PROFILE)]


def routes(accounts: Accounts) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="accounts")

    @router.post(
        "/v1/users/me/password",
        summary="Change my password",
        status_code=204,
        response_class=Response,
        responses=problems(AccountGone, Conflict, InvalidPassword, WrongPassword),
    )
    async def change_password(principal: Me, body: PasswordChange) -> Response:
        """Choose another password. One's other sessions end; the one at hand goes on."""
        await accounts.change_password(
            _uuid(principal.subject),
            None if principal.session_id is None else _uuid(principal.session_id),
            body.current_password.get_secret_value(),
            body.new_password.get_secret_value(),
        )
        return Response(status_code=204)

    @router.post(
        "/v1/auth/verification/request",
        summary="Ask for a message that verifies an address",
        status_code=202,
        response_class=Response,
        dependencies=[anyone],
    )
    async def request_verification(body: Address) -> Response:
        """Send a message with a token, if there is an account with this address that is not
        verified. The answer is the same if not."""
        await accounts.request_verification(body.email)
        return Response(status_code=202)

    @router.post(
        "/v1/auth/verification/confirm",
        summary="Verify an address",
        status_code=204,
        response_class=Response,
        responses=problems(InvalidMessageToken),
        dependencies=[anyone],
    )
    async def confirm_verification(body: Confirmation) -> Response:
        """Show, with the token from a message, that one gets what is sent there."""
        await accounts.confirm_verification(body.token.get_secret_value())
        return Response(status_code=204)

    @router.post(
        "/v1/auth/password-reset/request",
        summary="Ask for a message that resets a password",
        status_code=202,
        response_class=Response,
        dependencies=[anyone],
    )
    async def request_reset(body: Address) -> Response:
        """Send a message with a token, if there is an account with this address. The answer is the
        same if not."""
        await accounts.request_reset(body.email)
        return Response(status_code=202)

    @router.post(
        "/v1/auth/password-reset/confirm",
        summary="Reset a password",
        status_code=204,
        response_class=Response,
        responses=problems(InvalidMessageToken, InvalidPassword),
        dependencies=[anyone],
    )
    async def reset_password(body: PasswordReset) -> Response:
        """Choose another password with the token from a message. All sessions end."""
        new = body.new_password.get_secret_value()
        await accounts.reset_password(body.token.get_secret_value(), new)
        return Response(status_code=204)

    return router


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise AccountGone from error

"""Who may call a route. Each route declares one of these; one without is refused at start.

@routes.get("/v1/orders")
async def list_orders(principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)]): ...
"""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.auth.verifier import TokenVerifier
from libs.context import amend
from libs.errors import PermissionDenied, Unauthenticated

bearer = HTTPBearer(bearerFormat="JWT", auto_error=False, description="An access token")


class Guard:
    """A FastAPI dependency that decides who may go on."""


class Anyone(Guard):
    """Lets everyone through."""

    async def __call__(self) -> None:
        return None


class Holder(Guard):
    """Lets those through whose verified token grants a permission.

    Raises:
        Unauthenticated: no token, or not a valid one.
        PermissionDenied: a valid token without the permission.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Principal:
        if credentials is None:
            raise Unauthenticated("An access token is needed: Authorization: Bearer <token>")
        verifier: TokenVerifier = request.app.state.verifier
        principal = await verifier.verify(credentials.credentials)
        amend(actor=principal.subject)
        if not principal.may(self.permission):
            raise PermissionDenied(f"This needs the permission {self.permission}")
        return principal


anyone: Any = Depends(Anyone())
"""Marks a route, or a whole router, as open to all."""


def require(permission: Permission) -> Any:
    """Marks a route as open to holders of `permission`; gives the `Principal`."""
    return Depends(Holder(permission))

"""Who may call a route. Each route declares one of these; one without is refused at start.

@routes.get("/v1/orders")
async def list_orders(principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)]): ...
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.auth.verifier import TokenVerifier
from libs.context import amend
from libs.errors import PermissionDenied, Unauthenticated

bearer = HTTPBearer(bearerFormat="JWT", auto_error=False, description="An access token")


class Guard(ABC):
    """A FastAPI dependency that decides who may go on.

    As a dependency it is called with what FastAPI is to tell of it in the document. `libs.web.lean`
    calls `admit` instead.
    """

    @abstractmethod
    async def admit(self, request: Request) -> Principal | None:
        """Return if the sender of `request` may go on."""


class Anyone(Guard):
    """Lets everyone through."""

    async def admit(self, request: Request) -> None:  # noqa: ARG002 (the interface's)
        return None

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
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Principal:
        return await self.admit(request)

    async def admit(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("An access token is needed: Authorization: Bearer <token>")
        verifier: TokenVerifier = request.app.state.verifier
        principal = await verifier.verify(token.strip())
        amend(actor=principal.subject, session_id=principal.session_id, roles=principal.roles)
        if not principal.may(self.permission):
            raise PermissionDenied(f"This needs the permission {self.permission}")
        return principal


anyone: Any = Depends(Anyone())
"""Marks a route, or a whole router, as open to all."""


def require(permission: Permission) -> Any:
    """Marks a route as open to holders of `permission`; gives the `Principal`."""
    return Depends(Holder(permission))

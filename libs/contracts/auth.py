"""What the module `auth` offers to the others."""

from typing import Any, ClassVar
from uuid import UUID

from libs.events.event import Event
from libs.http.client import HttpClient
from libs.schema import Country, Schema


class _UserEvent(Event):
    topic: ClassVar[str] = "users"

    user_id: UUID
    revision: int
    """Of the user's record, from 1 on: what comes late must not undo what came after."""

    def key(self) -> str:
        return str(self.user_id)


class UserCreated(_UserEvent):
    """Somebody signed up, or was added by an administrator."""

    display_name: str
    country: Country
    roles: tuple[str, ...]


class UserUpdated(UserCreated):
    """A user's name, country or roles changed."""


class UserDeleted(_UserEvent):
    """A user was deleted (softly)."""


class Token(Schema):
    """An access token, as OAuth 2.0 words it (RFC 6749, 5.1)."""

    access_token: str
    token_type: str
    expires_in: int


class AuthClient:
    """Calls the module `auth`."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def keys(self) -> dict[str, Any]:
        """The public keys of access tokens, as a JSON Web Key Set (RFC 7517).

        Raises:
            Unavailable: no answer.
        """
        path = "/.well-known/jwks.json"
        response = await self._http.request("GET", path, route=path)
        keys: dict[str, Any] = response.json()
        return keys

    async def service_token(self, *, client_id: str, secret: str) -> Token:
        """A token for a module's own service account (OAuth 2.0 client credentials).

        Raises:
            Unauthenticated: the account or its secret is not known.
            Unavailable: no answer.
        """
        path = "/v1/auth/token"
        response = await self._http.request(
            "POST",
            path,
            route=path,
            form={
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret,
            },
            idempotent=True,
        )
        answer = response.json()
        return Token(
            access_token=answer["access_token"],
            token_type=answer["token_type"],
            expires_in=answer["expires_in"],
        )

"""What the module `auth` offers to the others."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.tokens import Tokens
from libs.errors import NotFound, RouteNotFound, Unauthenticated, Unavailable
from libs.events.event import Event
from libs.http.client import HttpClient
from libs.schema import Country, Schema, Timestamp

DISPLAY_NAME_LENGTH: Final = 100

_REFUSED: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Control characters, breaks of lines, and what turns the direction of the text around it."""

DisplayName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=DISPLAY_NAME_LENGTH,
        pattern=rf"^[^{_REFUSED}]*[^{_REFUSED}\s][^{_REFUSED}]*$",
    ),
    Field(examples=["Ada Lovelace"]),
]
"""What a user is called: one line of text that shows something."""


class _UserEvent(Event):
    topic: ClassVar[str] = "users"

    user_id: UUID
    revision: int
    """Of the user's record, from 1 on: what comes late must not undo what came after."""

    def key(self) -> str:
        return str(self.user_id)


class UserCreated(_UserEvent):
    """Somebody signed up, or was added by an administrator."""

    display_name: DisplayName
    country: Country
    roles: tuple[str, ...]


class UserUpdated(UserCreated):
    """A user's name, country, roles or activity changed."""

    active: bool = True
    """Whether the user may log in."""


class UserDeleted(_UserEvent):
    """A user was deleted (softly)."""


class EmailVerified(_UserEvent):
    """A user has shown that the address of the account is theirs."""


class PasswordChanged(_UserEvent):
    """A user has another password."""

    reason: Literal["changed", "reset"]


class MessageKind(StrEnum):
    """What a message to a user is about."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (none)
    EMAIL_IN_USE = "email_in_use"
    """Somebody wants to sign up with an address that has an account."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    SESSION_COMPROMISED = "session_compromised"


class MessageRequested(Event):
    """A user is to be sent a message, which `MessageClient` gives.

    Neither address nor text is in it: a text may have a token in it, and events are kept.

    Attributes:
        user_id: None: there is nobody to send it to. Who asked for it must not find out, and so
            the same is done.
    """

    topic: ClassVar[str] = "messages"

    message_id: UUID
    user_id: UUID | None
    kind: str
    """One of `MessageKind`; a reader may be older than that one."""

    def key(self) -> str:
        return str(self.message_id)


class _SessionEvent(Event):
    """Neither address nor device: an event is kept for longer than these may be."""

    topic: ClassVar[str] = "sessions"

    session_id: UUID
    user_id: UUID

    def key(self) -> str:
        return str(self.user_id)


class SessionStarted(_SessionEvent):
    """A user logged in."""


class SessionEnded(_SessionEvent):
    """A session is over before its time."""

    reason: str
    """`logout`, `revoked`, `refresh_token_reused`, …: see `services.auth.sessions.models`."""
    access_until: Timestamp
    """When the last access token of the session expires: until then verifiers deny it."""


class RefreshTokenReused(_SessionEvent):
    """A refresh token came a second time: somebody has a copy. The session is over."""


class Message(Schema):
    """A message, to be sent and not to be kept: it may hold a token.

    Attributes:
        to: the address.
        text: plain.
    """

    kind: MessageKind
    to: str = Field(repr=False)
    subject: str
    text: str = Field(repr=False)


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


class MessageClient:
    """Gets the messages to users from the module `auth`, for a service account that may send them.

    Args:
        tokens: of the caller's own account.
    """

    def __init__(self, http: HttpClient, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens

    async def compose(self, message_id: UUID) -> Message | None:
        """The message, with a token made for it at this moment: one that was got before is void.

        Returns:
            None: it is not to be sent any more: it is too old, or its user is gone.

        Raises:
            Unavailable: no answer.
        """
        try:
            return await self._ask(message_id)
        except Unauthenticated:  # the token's key may have been replaced since it was issued
            self._tokens.forget()
            return await self._ask(message_id)

    async def _ask(self, message_id: UUID) -> Message | None:
        headers = {"Authorization": f"Bearer {await self._tokens.get()}"}
        try:
            response = await self._http.request(
                "POST",
                f"/v1/auth/messages/{message_id}/compose",
                route="/v1/auth/messages/{id}/compose",
                headers=headers,
                idempotent=True,
            )
        except RouteNotFound as error:  # an older version: the message can wait for a newer one
            raise Unavailable("auth does not know of messages") from error
        except NotFound:
            return None
        if response.status_code != 200:
            raise Unavailable(f"auth answered {response.status_code}")
        return Message.model_validate_json(response.content)

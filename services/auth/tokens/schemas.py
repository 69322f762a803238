"""Requests for tokens, and the answers."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from libs.schema import Schema
from services.auth.sessions.models import DEVICE_NAME_LENGTH
from services.auth.tokens.issuer import ClientToken, UserTokens
from services.auth.users.schemas import PASSWORD_MAX, Email

DeviceName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=DEVICE_NAME_LENGTH,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$",
    ),
    Field(examples=["Ada's laptop"]),
]


class Login(Schema):
    """Credentials of a user."""

    email: Email
    password: Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MAX)]
    device_name: DeviceName | None = Field(
        None, description="What to call the session in the list of them; else the User-Agent tells"
    )


class LoginOut(Schema):
    """A user's tokens."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (RFC 6750)
    expires_in: int = Field(description="of the access token, in seconds")
    refresh_token: str = Field(description="Gives the next two, once; it replaces the one before")

    @classmethod
    def of(cls, tokens: UserTokens) -> Self:
        """`tokens` as an answer."""
        return cls(
            access_token=tokens.access.text,
            expires_in=tokens.access.expires_in,
            refresh_token=tokens.refresh,
        )


class ClientCredentials(Schema):
    """A request of RFC 6749, 4.4.2, with the client's credentials (2.3.1) if no header has them.

    Parameters that are not known are ignored, as section 3.2 demands.
    """

    model_config = ConfigDict(alias_generator=None, extra="ignore")

    # min_length: a parameter without a value counts as left out (RFC 6749, 3.2)
    grant_type: str = Field(min_length=1, max_length=64, examples=["client_credentials"])
    client_id: str | None = Field(None, min_length=1, max_length=64, examples=["worker"])
    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=256)] | None = None


class OAuthToken(Schema):
    """An answer of RFC 6749, 5.1: the one payload that is not in camelCase."""

    model_config = ConfigDict(alias_generator=None)

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (RFC 6750)
    expires_in: int = Field(description="seconds")
    scope: str = Field(description="What the account may do", examples=["reference:read"])

    @classmethod
    def of(cls, token: ClientToken) -> Self:
        """`token` as an answer."""
        return cls(
            access_token=token.access.text,
            expires_in=token.access.expires_in,
            scope=" ".join(token.scope),
        )

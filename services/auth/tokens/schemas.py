"""Requests for tokens, and the answers."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr

from libs.schema import Schema
from services.auth.tokens.issuer import AccessToken
from services.auth.users.schemas import PASSWORD_MAX, Email


class Login(Schema):
    """Credentials of a user."""

    email: Email
    password: Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MAX)]


class LoginOut(Schema):
    """A user's access token."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (RFC 6750)
    expires_in: int = Field(description="seconds")

    @classmethod
    def of(cls, token: AccessToken) -> Self:
        """`token` as an answer."""
        return cls(access_token=token.text, expires_in=token.expires_in)


class ClientCredentials(Schema):
    """A request of RFC 6749, 4.4.2, with the client's credentials in the body (2.3.1).

    Parameters that are not known are ignored, as section 3.2 demands.
    """

    model_config = ConfigDict(alias_generator=None, extra="ignore")

    grant_type: str = Field(max_length=64, examples=["client_credentials"])
    client_id: str = Field(max_length=64, examples=["worker"])
    client_secret: Annotated[SecretStr, Field(max_length=256)]


class OAuthToken(Schema):
    """An answer of RFC 6749, 5.1: the one payload that is not in camelCase."""

    model_config = ConfigDict(alias_generator=None)

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (RFC 6750)
    expires_in: int = Field(description="seconds")

    @classmethod
    def of(cls, token: AccessToken) -> Self:
        """`token` as an answer."""
        return cls(access_token=token.text, expires_in=token.expires_in)

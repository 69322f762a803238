"""Users as they come in and go out."""

import unicodedata
from typing import Annotated, Any, Final, Literal, Self, get_args
from uuid import UUID

from fastapi_users.schemas import BaseUserCreate
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    SecretStr,
)

from libs.contracts.auth import DisplayName
from libs.schema import Country, Schema, Timestamp
from services.auth.users.models import CUSTOMER, EMAIL_LENGTH, User

PASSWORD_MIN = 8
PASSWORD_MAX = 128

Role = Literal["customer", "support", "auditor", "admin"]
"""A role of `libs.auth.permissions` that users can have."""

USER_ROLES: Final[tuple[Role, ...]] = get_args(Role)

Roles = Annotated[
    tuple[Role, ...],
    Field(min_length=1, examples=[[CUSTOMER]]),
    AfterValidator(lambda roles: tuple(sorted(set(roles)))),
]


def normalise_email(address: str) -> str:
    """The form in which an address is stored and looked up: NFKC, lower case, no outer blanks."""
    folded = unicodedata.normalize("NFKC", address).strip().lower()
    return unicodedata.normalize("NFKC", folded)


Email = Annotated[
    EmailStr,
    BeforeValidator(lambda value: normalise_email(value) if isinstance(value, str) else value),
    AfterValidator(normalise_email),  # the domain may have come as punycode
    Field(max_length=EMAIL_LENGTH, examples=["ada@example.com"]),
]

Password = Annotated[SecretStr, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]


class NewUser(BaseUserCreate):
    """A user to be created, as the use cases hand it to fastapi-users."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    email: Email
    password: str = Field(repr=False)
    display_name: DisplayName
    country: Country | None = None
    roles: Roles = (CUSTOMER,)


class SignUp(Schema):
    """What one says of oneself to sign up."""

    email: Email
    password: Password
    display_name: DisplayName
    country: Country | None = Field(None, description="ISO 3166-1 alpha-2; a setting if left out")

    def to_new_user(self) -> NewUser:
        """The same, for the use case."""
        return NewUser(
            email=self.email,
            password=self.password.get_secret_value(),
            display_name=self.display_name,
            country=self.country,
        )


class ProfileChange(Schema):
    """A merge patch (RFC 7396): what is left out stays. None of it can be taken away.

    The address is how one logs in. It is not changed here, where nobody has to show that the new
    one is theirs.
    """

    # The defaults only make the fields optional: what was given is in `model_fields_set`.
    display_name: DisplayName = Field(default_factory=str)
    country: Country = Field(default_factory=str)

    def columns(self) -> dict[str, Any]:
        """What was given, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def values(self, user: User) -> dict[str, Any]:
        """The columns in which `user` is changed by it."""
        return {n: value for n, value in self.columns().items() if getattr(user, n) != value}


class UserOut(Schema):
    """A user, as shown to that user and to administrators."""

    id: UUID
    email: str
    email_verified: bool = Field(description="whether the user has shown that it is theirs")
    display_name: str
    country: str
    roles: tuple[str, ...]
    active: bool = Field(description="whether the user may log in")
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, user: User) -> Self:
        """What is shown of `user`."""
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.is_verified,
            display_name=user.display_name,
            country=user.country,
            roles=tuple(user.roles),
            active=user.is_active,
            created_at=user.created_at,
            updated_at=user.updated_at,
            deleted_at=user.deleted_at,
            version=user.version,
        )

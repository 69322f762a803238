"""Users as they come in and go out."""

import unicodedata
from typing import Annotated, Self
from uuid import UUID

from fastapi_users.schemas import BaseUserCreate
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    SecretStr,
    StringConstraints,
)

from libs.auth.permissions import ROLES
from libs.schema import Country, Schema, Timestamp
from services.auth.users.models import CUSTOMER, DISPLAY_NAME_LENGTH, EMAIL_LENGTH, User

PASSWORD_MIN = 8
PASSWORD_MAX = 128

USER_ROLES = frozenset(ROLES) - {"service"}


def _known_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := set(roles) - USER_ROLES:
        raise ValueError(f"no role of users: {', '.join(sorted(unknown))}")
    return roles


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

DisplayName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=DISPLAY_NAME_LENGTH,
        pattern=r"^[^\p{Cc}]*$",  # no control characters
    ),
    Field(examples=["Ada Lovelace"]),
]


class NewUser(BaseUserCreate):
    """A user to be created, as the use cases hand it to fastapi-users."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    email: Email
    password: str = Field(repr=False)
    display_name: DisplayName
    country: Country | None = None
    roles: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_roles)] = (
        CUSTOMER,
    )


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


class UserOut(Schema):
    """A user, as shown to that user and to administrators."""

    id: UUID
    email: str
    display_name: str
    country: str
    roles: tuple[str, ...]
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, user: User) -> Self:
        """What is shown of `user`."""
        return cls(
            id=user.id,
            email=user.email,
            display_name=user.display_name,
            country=user.country,
            roles=tuple(user.roles),
            created_at=user.created_at,
            updated_at=user.updated_at,
            version=user.version,
        )

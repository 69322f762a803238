"""What administrators say of users."""

from typing import Annotated, Any

from pydantic import Field

from libs.schema import Schema
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from services.auth.users.models import CUSTOMER
from services.auth.users.repository import Order, UserFilter
from services.auth.users.schemas import (
    Email,
    NewUser,
    ProfileChange,
    Role,
    Roles,
    SignUp,
    UserOut,
)

IncludeDeleted = Annotated[
    bool, Field(description="Deleted users too: for administrators; others are refused")
]


class UserQuery(Schema):
    """Which users to list."""

    email: Annotated[Email | None, Field(description="The user with this address")] = None
    role: Annotated[Role | None, Field(description="Only users who have it")] = None
    include_deleted: IncludeDeleted = False
    sort: Annotated[
        Order, Field(description="`createdAt`: the newest first; `email`: in alphabetical order")
    ] = Order.CREATED_AT
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    @property
    def filters(self) -> UserFilter:
        """Which ones, without how they are shown."""
        return UserFilter(email=self.email, role=self.role, include_deleted=self.include_deleted)


class UserPage(Page[UserOut]):
    """Users."""


class NewAccount(SignUp):
    """A user that an administrator creates."""

    roles: Roles = (CUSTOMER,)

    def to_new_user(self) -> NewUser:
        return super().to_new_user().model_copy(update={"roles": self.roles})


class AccountChange(ProfileChange):
    """A merge patch (RFC 7396): what is left out stays."""

    roles: Roles = Field(default_factory=tuple)
    active: bool = Field(default_factory=bool, strict=True, description="may log in")

    @property
    def concerns_rights(self) -> bool:
        """Whether it speaks of roles or activity."""
        return not self.model_fields_set.isdisjoint({"roles", "active"})

    def columns(self) -> dict[str, Any]:
        columns = super().columns()
        if "roles" in columns:
            columns["roles"] = list(self.roles)
        if "active" in columns:
            columns["is_active"] = columns.pop("active")
        return columns

"""Sessions as they come in and go out."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, SecretStr

from libs.schema import Schema, Timestamp
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from services.auth.sessions.models import Session

RefreshToken = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=128,
        description="As the last login or refresh answered it",
        examples=["kq0sT2nO4bq5X1u8m3Jr7Wc9YhA6LdEfGiVpZtNxRsU"],
    ),
]


class HeldToken(Schema):
    """A refresh token."""

    refresh_token: RefreshToken


class SessionQuery(Schema):
    """Which page of the list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class SessionOut(Schema):
    """Where one is logged in."""

    id: UUID
    device_name: str = Field(examples=["Firefox on Linux"])
    ip_prefix: str | None = Field(
        description="Where it was used from last: a part of the address", examples=["192.0.2.0/24"]
    )
    created_at: Timestamp
    last_seen_at: Timestamp
    expires_at: Timestamp = Field(description="When it is over, unless it is used before")
    current: bool = Field(description="Whether it is the one that asks")

    @classmethod
    def of(cls, session: Session, *, current: str | None) -> Self:
        """What is shown of `session`.

        Args:
            current: the id of the session that asks.
        """
        return cls(
            id=session.id,
            device_name=session.device_name,
            ip_prefix=session.ip_prefix,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.idle_until,
            current=str(session.id) == current,
        )


class SessionPage(Page[SessionOut]):
    """Sessions."""

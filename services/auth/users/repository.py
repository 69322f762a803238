"""Every query on users, behind a port that is fastapi-users' and a little more."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from fastapi_users.db import BaseUserDatabase
from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from libs.db.errors import constraint
from services.auth.users.errors import EmailTaken
from services.auth.users.models import ADMIN, User

_LISTED = (
    *("id", "email", "is_verified", "display_name", "country", "roles", "is_active"),
    *("created_at", "updated_at", "deleted_at", "version"),
)
"""A list has no use for password hashes."""


class Order(StrEnum):
    """The orders of the list of users."""

    CREATED_AT = "createdAt"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which users; None: it does not matter.

    Attributes:
        email: normalised.
        role: that they have, perhaps among others.
        include_deleted: whether those are among them who are deleted.
    """

    email: str | None = None
    role: str | None = None
    include_deleted: bool = False


# User has what is asked for; mypy does not look through the descriptors of Tortoise's fields.
class Users(BaseUserDatabase[User, UUID]):  # type: ignore[type-var]
    """What the use cases ask for. Deleted users are left out unless it says otherwise."""

    async def find(self, user_id: UUID) -> User | None:
        """The user, who may be deleted."""
        raise NotImplementedError

    async def locked(self, user_id: UUID) -> User | None:
        """The user, whom nobody else changes until the unit of work ends."""
        raise NotImplementedError

    async def page(
        self, wanted: UserFilter, *, order: Order, after: User | None, limit: int
    ) -> Sequence[User]:
        """Users that follow `after`: by time, the newest first; or by e-mail address."""
        raise NotImplementedError

    async def admins(self, *, lock: bool) -> set[UUID]:
        """The active administrators.

        Args:
            lock: keep others from changing them, and wait for those who are changing one, until
                the unit of work ends.
        """
        raise NotImplementedError

    async def renew_hash(self, user: User, renewed: str) -> None:
        """Replace the hash of a password by another hash of the same one.

        This is no change of the user: neither version nor audit columns tell of it, so that
        nobody's ETag is stale because they have logged in. Nothing happens if the user has another
        password by now, or is deleted.
        """
        raise NotImplementedError


class UserRepository(Users):
    """Users in PostgreSQL."""

    async def get(self, id: UUID) -> User | None:  # noqa: A002 (its name there)
        return await User.live().get_or_none(id=id)

    async def get_by_email(self, email: str) -> User | None:
        """The user with this address, which must be normalised."""
        return await User.live().get_or_none(email=email)

    async def find(self, user_id: UUID) -> User | None:
        return await User.get_or_none(id=user_id)

    async def locked(self, user_id: UUID) -> User | None:
        return await User.live().select_for_update(no_key=True).get_or_none(id=user_id)

    async def page(
        self, wanted: UserFilter, *, order: Order, after: User | None, limit: int
    ) -> Sequence[User]:
        return await listed(wanted, order=order, after=after, limit=limit)

    async def admins(self, *, lock: bool) -> set[UUID]:
        admins = User.live().filter(is_active=True, roles__contains=[ADMIN]).order_by("id")
        if lock:  # in the order of their ids, so that two who lock them cannot block each other
            admins = admins.select_for_update(no_key=True)
        return {user.id for user in await admins.only("id")}

    async def create(self, create_dict: dict[str, Any]) -> User:
        """Insert a user.

        Raises:
            EmailTaken: the address has an account.
        """
        try:
            return await User.create(**create_dict)
        except IntegrityError as error:
            if constraint(error) == "users_email_live":
                raise EmailTaken from error
            raise

    async def update(self, user: User, update_dict: dict[str, Any]) -> User:
        """Write some columns.

        Raises:
            PreconditionFailed: the user was changed or deleted meanwhile.
        """
        await user.change(**update_dict)
        return user

    async def renew_hash(self, user: User, renewed: str) -> None:
        same = User.live().filter(id=user.id, hashed_password=user.hashed_password)
        if await same.update(hashed_password=renewed):
            user.hashed_password = renewed

    async def delete(self, user: User) -> None:
        """Delete softly.

        Raises:
            PreconditionFailed: the user was changed or deleted meanwhile.
        """
        await user.soft_delete()


def listed(wanted: UserFilter, *, order: Order, after: User | None, limit: int) -> QuerySet[User]:
    """See `Users.page`."""
    users = User.all() if wanted.include_deleted else User.live()
    if wanted.email is not None:
        users = users.filter(email=wanted.email)
    if wanted.role is not None:
        users = users.filter(roles__contains=[wanted.role])
    if after is not None:
        users = users.filter(*_following(after, order))
    by = ("email", "id") if order is Order.EMAIL else ("-created_at", "-id")
    return users.order_by(*by).limit(limit).only(*_LISTED)


def _following(after: User, order: Order) -> tuple[Q, Q]:
    # The first condition is implied by the second; it is what an index can be entered by.
    if order is Order.EMAIL:
        later = Q(email__gt=after.email) | Q(id__gt=after.id)
        return Q(email__gte=after.email), later
    earlier = Q(created_at__lt=after.created_at) | Q(id__lt=after.id)
    return Q(created_at__lte=after.created_at), earlier

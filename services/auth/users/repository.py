"""Every query on users, behind fastapi-users' port."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi_users.db import BaseUserDatabase
from tortoise.exceptions import IntegrityError

from libs.db.errors import constraint
from libs.errors import PreconditionFailed
from services.auth.users.errors import EmailTaken
from services.auth.users.models import User

# User has what is asked for; mypy does not look through the descriptors of Tortoise's fields.
Users = BaseUserDatabase[User, UUID]  # type: ignore[type-var]


class UserRepository(Users):
    """Users in PostgreSQL."""

    async def get(self, id: UUID) -> User | None:  # noqa: A002 (its name there)
        return await User.live().get_or_none(id=id)

    async def get_by_email(self, email: str) -> User | None:
        """The user with this address, which must be normalised."""
        return await User.live().get_or_none(email=email)

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

    async def delete(self, user: User) -> None:
        """Delete softly.

        Raises:
            PreconditionFailed: the user was changed or deleted meanwhile.
        """
        await user.soft_delete()


class MemoryUserRepository(Users):
    """Users in memory, for tests: the same rules, no server."""

    def __init__(self) -> None:
        self.users: dict[UUID, User] = {}

    async def get(self, id: UUID) -> User | None:  # noqa: A002 (its name there)
        return next((user for user in self._live() if user.id == id), None)

    async def get_by_email(self, email: str) -> User | None:
        return next((user for user in self._live() if user.email == email), None)

    async def create(self, create_dict: dict[str, Any]) -> User:
        if await self.get_by_email(create_dict["email"]) is not None:
            raise EmailTaken
        now = datetime.now(UTC)
        user = User(**create_dict, created_at=now, updated_at=now)
        self.users[user.id] = user
        return user

    async def update(self, user: User, update_dict: dict[str, Any]) -> User:
        if user not in self._live():
            raise PreconditionFailed
        user.update_from_dict({**update_dict, "updated_at": datetime.now(UTC)})
        user.version += 1
        return user

    async def delete(self, user: User) -> None:
        await self.update(user, {"deleted_at": datetime.now(UTC)})

    def _live(self) -> list[User]:
        return [user for user in self.users.values() if user.deleted_at is None]

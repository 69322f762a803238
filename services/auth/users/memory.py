"""Users in memory, for tests: the same rules, no server."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.errors import PreconditionFailed
from services.auth.users.errors import EmailTaken
from services.auth.users.models import User
from services.auth.users.repository import Order, UserFilter, Users


class MemoryUserRepository(Users):
    """Users in a dictionary."""

    def __init__(self) -> None:
        self.users: dict[UUID, User] = {}

    async def get(self, id: UUID) -> User | None:  # noqa: A002 (its name there)
        return next((user for user in self._live() if user.id == id), None)

    async def get_by_email(self, email: str) -> User | None:
        return next((user for user in self._live() if user.email == email), None)

    async def find(self, user_id: UUID) -> User | None:
        return self.users.get(user_id)

    async def locked(self, user_id: UUID) -> User | None:
        return await self.get(user_id)

    async def page(
        self, wanted: UserFilter, *, order: Order, after: User | None, limit: int
    ) -> Sequence[User]:
        by_email = order is Order.EMAIL
        users = [
            user
            for user in (self.users.values() if wanted.include_deleted else self._live())
            if wanted.email in (None, user.email) and (not wanted.role or wanted.role in user.roles)
        ]
        users.sort(key=lambda u: (u.email if by_email else u.created_at, u.id))
        users = users if by_email else users[::-1]
        start = 0 if after is None else [user.id for user in users].index(after.id) + 1
        return users[start : start + limit]

    async def admins(self, *, lock: bool) -> set[UUID]:
        del lock
        return {user.id for user in self._live() if user.is_active and user.is_superuser}

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

    async def renew_hash(self, user: User, renewed: str) -> None:
        if user in self._live():
            user.hashed_password = renewed

    async def delete(self, user: User) -> None:
        await self.update(user, {"deleted_at": datetime.now(UTC)})

    def _live(self) -> list[User]:
        return [user for user in self.users.values() if user.deleted_at is None]

"""fastapi-users' manager, with its password hashing off the event loop."""

from typing import Any
from uuid import UUID

from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users import BaseUserManager, InvalidPasswordException, UUIDIDMixin
from fastapi_users.schemas import BaseUserCreate

from services.auth.users.common_passwords import CommonPasswords
from services.auth.users.models import User
from services.auth.users.passwords import Passwords
from services.auth.users.repository import Users
from services.auth.users.schemas import PASSWORD_MAX, PASSWORD_MIN, NewUser


class UserManager(UUIDIDMixin, BaseUserManager[User, UUID]):  # type: ignore[type-var]  # see Users
    """Rules for passwords, creating users, checking credentials."""

    def __init__(self, users: Users, passwords: Passwords, common: CommonPasswords) -> None:
        super().__init__(users, passwords.helper)
        self.users = users  # user_db, with all that it can do
        self._passwords = passwords
        self._common = common

    async def validate_password(self, password: str, user: BaseUserCreate | User) -> None:
        """Check the rules.

        Raises:
            InvalidPasswordException: one is broken; the reason is fit for the user's eyes.
        """
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise InvalidPasswordException(f"must have {PASSWORD_MIN} to {PASSWORD_MAX} characters")
        if password.casefold() == user.email.casefold():
            raise InvalidPasswordException("must not be the e-mail address")
        if self._common.has(password):
            raise InvalidPasswordException("must not be one of those that many people use")

    async def prepare(self, new: NewUser) -> dict[str, Any]:
        """The first half of `create`: the columns of the user to be inserted.

        It takes long, and belongs before the transaction opens. The base class hashes between its
        two queries instead, and so in the middle of it.

        Raises:
            InvalidPasswordException: see `validate_password`.
        """
        await self.validate_password(new.password, new)
        return {
            "email": new.email,
            "hashed_password": await self._passwords.hash(new.password),
            "display_name": new.display_name,
            "country": new.country,
            "roles": list(new.roles),
            "is_verified": new.is_verified,
        }

    async def new_hash(self, password: str, user: User) -> str:
        """The hash of another password for `user`. Takes long, as `prepare` does.

        Raises:
            InvalidPasswordException: see `validate_password`.
        """
        await self.validate_password(password, user)
        return await self._passwords.hash(password)

    async def verifies(self, password: str, user: User) -> bool:
        """Whether it is the password of `user`."""
        valid, _ = await self._passwords.verify(password, user.hashed_password)
        return valid

    async def authenticate(self, credentials: OAuth2PasswordRequestForm) -> User | None:
        """The user with these credentials, as in the base class.

        An unknown address costs the same, so that time does not tell who has an account.
        """
        user = await self.users.get_by_email(credentials.username)
        if user is None:
            await self._passwords.verify_nobodys(credentials.password)
            return None
        valid, renewed = await self._passwords.verify(credentials.password, user.hashed_password)
        if not valid:
            return None
        if renewed is not None:
            await self.users.renew_hash(user, renewed)
        return user

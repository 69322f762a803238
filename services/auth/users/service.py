"""What can be done with users."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users import InvalidPasswordException

from libs.contracts.auth import UserCreated
from libs.errors import FieldError
from libs.events.event import Event
from libs.logging import get_logger
from services.auth.users.errors import AccountGone, InvalidPassword
from services.auth.users.manager import UserManager
from services.auth.users.models import User
from services.auth.users.schemas import NewUser

log = get_logger()

Work = Callable[[], AbstractAsyncContextManager[object]]
"""Opens a unit of work."""

Publish = Callable[[Event], Awaitable[object]]
"""Adds an event to the open unit of work."""


class UserService:
    """The use cases.

    Args:
        manager: creates users and checks credentials.
        work: opens a unit of work on the module's database.
        publish: adds an event to it.
        default_country: of a user who does not name one.
    """

    def __init__(
        self, manager: UserManager, *, work: Work, publish: Publish, default_country: str
    ) -> None:
        self._manager = manager
        self._work = work
        self._publish = publish
        self._default_country = default_country

    async def sign_up(self, new: NewUser) -> User:
        """Create a user.

        Raises:
            EmailTaken: there is one with this address.
            InvalidPassword: the password breaks a rule.
        """
        country = new.country or self._default_country
        try:
            values = await self._manager.prepare(new.model_copy(update={"country": country}))
        except InvalidPasswordException as error:
            mistake = FieldError("/password", "invalid_password", str(error.reason))
            raise InvalidPassword(errors=(mistake,)) from error
        async with self._work():
            user = await self._manager.user_db.create(values)
            await self._publish(_created(user))
        log.info("user.signed_up", userId=str(user.id))
        return user

    async def exists(self, email: str) -> bool:
        """Whether there is a user with this address, which must be normalised."""
        return await self._manager.user_db.get_by_email(email) is not None

    async def active(self, user_id: UUID) -> User:
        """A user who may be dealt with.

        Raises:
            AccountGone: deleted, not active, or never there.
        """
        user = await self._manager.user_db.get(user_id)
        if user is None or not user.is_active:
            raise AccountGone
        return user

    async def authenticate(self, email: str, password: str) -> User | None:
        """The active user with these credentials; the address must be normalised."""
        credentials = OAuth2PasswordRequestForm(username=email, password=password)
        user = await self._manager.authenticate(credentials)
        return user if user is not None and user.is_active else None


def _created(user: User) -> UserCreated:
    return UserCreated(
        user_id=user.id,
        revision=user.version,
        display_name=user.display_name,
        country=user.country,
        roles=tuple(user.roles),
    )

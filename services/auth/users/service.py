"""What users can do with their own accounts."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from fastapi.security import OAuth2PasswordRequestForm

from libs.db.idempotency import Answer, Scope
from libs.web.conditional import Precondition
from services.auth.users.errors import AccountGone
from services.auth.users.events import updated
from services.auth.users.manager import UserManager
from services.auth.users.models import User
from services.auth.users.ports import Publish, Work
from services.auth.users.profiles import Profile, Profiles
from services.auth.users.registration import Registration
from services.auth.users.schemas import NewUser, ProfileChange

SIGN_UP = "POST /v1/auth/signup"
"""The route, in the scope of idempotency keys."""

NOBODY = "anonymous"
"""The actor, in the scope of keys of those who have no account yet."""


class UserService:
    """The use cases.

    Args:
        manager: checks credentials, and has the users.
        registration: creates users.
        profiles: what is shown of them.
        work: opens a unit of work on the module's database.
        publish: adds an event to it.
        verified_login: whether only users log in whose address is verified.
    """

    def __init__(
        self,
        manager: UserManager,
        registration: Registration,
        profiles: Profiles,
        *,
        work: Work,
        publish: Publish,
        verified_login: bool = False,
    ) -> None:
        self._manager = manager
        self._registration = registration
        self._profiles = profiles
        self._work = work
        self._publish = publish
        self._verified_login = verified_login

    async def sign_up(
        self, new: NewUser, *, key: str | None, answer: Callable[[User], Answer]
    ) -> Answer:
        """Create a user; see `Registration.sign_up_once`."""
        scope = None if key is None else Scope(actor=NOBODY, route=SIGN_UP, key=key)
        return await self._registration.sign_up_once(new, scope, answer)

    async def profile(self, user_id: UUID) -> Profile:
        """What is shown of a user who may be dealt with.

        Raises:
            AccountGone: deleted, not active, or never there.
        """
        profile = await self._profiles.get(user_id)
        if profile is None or not profile.active:
            raise AccountGone
        return profile

    async def change_profile(
        self, user_id: UUID, change: ProfileChange, precondition: Precondition
    ) -> User:
        """Change what users may say of themselves.

        Raises:
            AccountGone: deleted, not active, or never there.
            PreconditionFailed: it is meant for another version.
        """
        async with self._work() as work:
            user = await self._manager.users.get(user_id)
            if user is None or not user.is_active:
                raise AccountGone
            precondition.check(user.version)
            if values := change.values(user):
                await self._manager.users.update(user, values)
                await self._publish(updated(user))
                work.after_commit(partial(self._profiles.forget, user_id))
        return user

    async def authenticate(self, email: str, password: str) -> User | None:
        """The user with these credentials, who may log in; the address must be normalised.

        Nothing tells why somebody may not. If one with a right password and an address that is not
        verified were told, whoever signs up and then logs in knew whether the account is new.
        """
        credentials = OAuth2PasswordRequestForm(username=email, password=password)
        user = await self._manager.authenticate(credentials)
        return user if user is not None and self._may_log_in(user) else None

    def _may_log_in(self, user: User) -> bool:
        return user.is_active and (user.is_verified or not self._verified_login)

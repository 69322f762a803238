"""Creating users."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi_users import InvalidPasswordException

from libs.contracts.auth import MessageKind
from libs.db.idempotency import Answer, Scope, fingerprint
from libs.errors import FieldError
from libs.logging import get_logger
from services.auth.users.errors import EmailTaken, InvalidPassword
from services.auth.users.events import created
from services.auth.users.manager import UserManager
from services.auth.users.models import User
from services.auth.users.ports import Keys, Notify, Publish, UnitOfWork, Work
from services.auth.users.schemas import NewUser

log = get_logger()

Columns = dict[str, Any]
"""Of a user to be inserted."""


class Registration:
    """Creates users, and tells the others.

    Args:
        manager: knows the rules, and hashes.
        work: opens a unit of work.
        publish: adds an event to it.
        notify: asks a new user to show that the address is theirs.
        keys: the idempotency keys.
        fingerprint_key: what makes it useless to guess passwords from what is kept with a key.
        default_country: of a user who does not name one.
    """

    def __init__(
        self,
        manager: UserManager,
        *,
        work: Work,
        publish: Publish,
        notify: Notify,
        keys: Keys,
        fingerprint_key: bytes,
        default_country: str,
    ) -> None:
        self._manager = manager
        self._work = work
        self._publish = publish
        self._notify = notify
        self._keys = keys
        self._fingerprint_key = fingerprint_key
        self._default_country = default_country

    async def exists(self, email: str) -> bool:
        """Whether there is a user with this address, which must be normalised."""
        return await self._manager.users.get_by_email(email) is not None

    async def create(self, new: NewUser) -> User:
        """Create a user.

        Raises:
            EmailTaken: there is one with this address.
            InvalidPassword: the password breaks a rule.
        """
        values = await self._prepared(new)
        async with self._work() as work:
            return await self._add(values, work)

    async def create_once(
        self, new: NewUser, scope: Scope | None, answer: Callable[[User], Answer]
    ) -> Answer:
        """Create a user, once per idempotency key.

        Args:
            scope: None: there is no key.
            answer: what to say of the user; kept with the key, so that it must hold no credentials.

        Raises:
            InFlight, KeyReused: see `libs.db.idempotency`. Also what `create` raises.
        """
        asked = self._fingerprint(new)
        if (stored := await self._stored(scope, asked)) is not None:
            return stored  # without a hash, which is dear
        values = await self._prepared(new)
        try:
            async with self._work() as work:

                async def perform() -> Answer:
                    return answer(await self._add(values, work))

                return await self._keys.once(scope, asked, perform)
        except EmailTaken:
            # The same request, sent at the same time, may have been done a moment before.
            if (stored := await self._stored(scope, asked)) is not None:
                return stored
            raise

    async def sign_up_once(
        self, new: NewUser, scope: Scope | None, answer: Callable[[User], Answer]
    ) -> Answer:
        """The same for a stranger, who does not find out whether the address has an account.

        If it has, its owner is sent a message, and the answer is about a user who is made up. The
        work is the same but for a row: one hash, one transaction.

        Raises: as `create_once`, but for EmailTaken.
        """
        asked = self._fingerprint(new)
        if (stored := await self._stored(scope, asked)) is not None:
            return stored
        values = await self._prepared(new)

        async def once(perform: Callable[[UnitOfWork], Awaitable[User]]) -> Answer:
            async with self._work() as work:

                async def answered() -> Answer:
                    return answer(await perform(work))

                return await self._keys.once(scope, asked, answered)

        try:
            return await once(partial(self._add_or_pretend, values))
        except EmailTaken:  # by somebody who signed up at the same time
            return await once(partial(self._add_or_pretend, values))

    def _fingerprint(self, new: NewUser) -> bytes:
        return fingerprint(new.model_dump(mode="json"), self._fingerprint_key)

    async def _stored(self, scope: Scope | None, asked: bytes) -> Answer | None:
        return None if scope is None else await self._keys.find(scope, asked)

    async def _prepared(self, new: NewUser) -> Columns:
        """What is done before the transaction opens, because it takes long."""
        country = new.country or self._default_country
        try:
            return await self._manager.prepare(new.model_copy(update={"country": country}))
        except InvalidPasswordException as error:
            mistake = FieldError("/password", "invalid_password", str(error.reason))
            raise InvalidPassword(errors=(mistake,)) from error

    async def _add_or_pretend(self, values: Columns, work: UnitOfWork) -> User:
        owner = await self._manager.users.get_by_email(values["email"])
        if owner is None:
            return await self._add(values, work)
        await self._notify(owner.id, MessageKind.EMAIL_IN_USE)
        work.after_commit(partial(log.info, "user.email_in_use", ofUser=str(owner.id)))
        now = datetime.now(UTC)
        return User(**values, created_at=now, updated_at=now)

    async def _add(self, values: Columns, work: UnitOfWork) -> User:
        user = await self._manager.users.create(values)
        await self._publish(created(user))
        if not user.is_verified:
            await self._notify(user.id, MessageKind.VERIFY_EMAIL)
        work.after_commit(partial(log.info, "user.created", userId=str(user.id)))
        return user

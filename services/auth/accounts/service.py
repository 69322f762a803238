"""What users do to prove that an account is theirs, and to choose another password."""

from functools import partial
from typing import Protocol
from uuid import UUID

from fastapi_users import InvalidPasswordException

from libs.context import amend
from libs.contracts.auth import EmailVerified, MessageKind, PasswordChanged
from libs.errors import Conflict, FieldError
from libs.logging import get_logger
from services.auth.accounts.errors import WrongPassword
from services.auth.messages.service import Messages, invalid_token
from services.auth.sessions.models import EndReason
from services.auth.users.errors import AccountGone, InvalidPassword
from services.auth.users.manager import UserManager
from services.auth.users.models import User
from services.auth.users.ports import Publish, UnitOfWork, Work
from services.auth.users.profiles import Profiles

log = get_logger()


class Sessions(Protocol):
    """See `services.auth.sessions.service.Sessions`."""

    async def end_all(
        self, user_id: UUID, *, reason: EndReason, except_: UUID | None = None
    ) -> int: ...


class Accounts:
    """The use cases.

    Args:
        manager: checks passwords, and has the users.
        profiles: what is shown of them.
        messages: sends them messages.
        sessions: where they are logged in.
        work: opens a unit of work on the module's database.
        publish: adds an event to it.
    """

    def __init__(
        self,
        manager: UserManager,
        profiles: Profiles,
        messages: Messages,
        sessions: Sessions,
        *,
        work: Work,
        publish: Publish,
    ) -> None:
        self._manager = manager
        self._profiles = profiles
        self._messages = messages
        self._sessions = sessions
        self._work = work
        self._publish = publish

    async def change_password(
        self, user_id: UUID, session_id: UUID | None, current: str, new: str
    ) -> None:
        """Replace the password; all sessions but the one at hand end.

        Raises:
            AccountGone: deleted, not active, or never there.
            Conflict: it was changed by somebody else at the same time.
            InvalidPassword: the new one breaks a rule.
            WrongPassword: `current` is not the password.
        """
        user = await self._manager.users.get(user_id)
        if user is None or not user.is_active:
            raise AccountGone
        verified = user.hashed_password
        if not await self._manager.verifies(current, user):
            log.info("account.wrong_password")
            wrong = FieldError("/currentPassword", WrongPassword.code, WrongPassword.title)
            raise WrongPassword(errors=(wrong,))
        if new == current:
            raise _invalid("must not be the current one")
        hashed = await self._hash(new, user)
        async with self._work() as work:
            user = await self._locked(user_id)
            if user is None:
                raise AccountGone
            if user.hashed_password != verified:
                raise Conflict("The password was changed at the same time")
            await self._replace(work, user, hashed, EndReason.PASSWORD_CHANGED, keep=session_id)

    async def request_verification(self, email: str) -> None:
        """Send a message to whoever has this address, if it is to be verified.

        Args:
            email: normalised.
        """
        await self._request(email, MessageKind.VERIFY_EMAIL)

    async def confirm_verification(self, token: str) -> None:
        """Take note that the address of a user is theirs.

        Raises:
            InvalidMessageToken: the token is not valid.
        """
        async with self._work() as work:
            user = await self._user_of(token, MessageKind.VERIFY_EMAIL)
            if not user.is_verified:
                await self._manager.users.update(user, {"is_verified": True})
                await self._publish(EmailVerified(user_id=user.id, revision=user.version))
                self._note(work, user, "account.email_verified")

    async def request_reset(self, email: str) -> None:
        """Send a message to whoever has this address.

        Args:
            email: normalised.
        """
        await self._request(email, MessageKind.RESET_PASSWORD)

    async def reset_password(self, token: str, new: str) -> None:
        """Replace the password of a user who has shown that the address is theirs; all of the
        user's sessions end.

        Raises:
            InvalidMessageToken: the token is not valid.
            InvalidPassword: the new one breaks a rule; the token can be used again.
        """
        kind = MessageKind.RESET_PASSWORD
        user = await self._manager.users.get(await self._messages.holder(token, kind))
        if user is None:
            raise invalid_token()
        hashed = await self._hash(new, user)
        async with self._work() as work:
            user = await self._user_of(token, kind)
            await self._replace(work, user, hashed, EndReason.PASSWORD_RESET)

    async def _request(self, email: str, kind: MessageKind) -> None:
        user = await self._manager.users.get_by_email(email)
        wanted = user is not None and user.is_active
        if user is not None and kind is MessageKind.VERIFY_EMAIL:
            wanted = wanted and not user.is_verified
        async with self._work():
            await self._messages.request(user.id if user is not None and wanted else None, kind)

    async def _user_of(self, token: str, kind: MessageKind) -> User:
        """Whose token it is; it cannot be used again."""
        user = await self._locked(await self._messages.use(token, kind))
        if user is None:
            raise invalid_token()
        amend(actor=str(user.id))  # who has the token acts as the user
        return user

    async def _locked(self, user_id: UUID) -> User | None:
        user = await self._manager.users.locked(user_id)
        return user if user is not None and user.is_active else None

    async def _hash(self, password: str, user: User) -> str:
        try:
            return await self._manager.new_hash(password, user)
        except InvalidPasswordException as error:
            raise _invalid(str(error.reason)) from error

    async def _replace(
        self,
        work: UnitOfWork,
        user: User,
        hashed: str,
        reason: EndReason,
        *,
        keep: UUID | None = None,
    ) -> None:
        """Replace the password, and tell of it. The user comes before the sessions: no session can
        begin in between then."""
        values: dict[str, object] = {"hashed_password": hashed}
        was_reset = reason is EndReason.PASSWORD_RESET
        if was_reset:
            values["is_verified"] = True  # the token was in a message to that address
        await self._manager.users.update(user, values)
        await self._messages.void(user.id, MessageKind.RESET_PASSWORD)
        ended = await self._sessions.end_all(user.id, reason=reason, except_=keep)
        await self._publish(
            PasswordChanged(
                user_id=user.id,
                revision=user.version,
                reason="reset" if was_reset else "changed",
            )
        )
        await self._messages.request(user.id, MessageKind.PASSWORD_CHANGED)
        name = "account.password_reset" if was_reset else "account.password_changed"
        self._note(work, user, name, sessionsEnded=ended)

    def _note(self, work: UnitOfWork, user: User, name: str, **fields: object) -> None:
        work.after_commit(partial(self._profiles.forget, user.id))
        work.after_commit(partial(log.info, name, ofUser=str(user.id), **fields))


def _invalid(reason: str) -> InvalidPassword:
    return InvalidPassword(errors=(FieldError("/newPassword", "invalid_password", reason),))

"""What administrators, and in part support, can do with everybody's accounts.

Reading goes by the token. Writing goes by what is true now: whoever writes has to be an active
administrator still, and if rights are at stake nobody can change that until it is committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db.idempotency import Answer, Scope
from libs.errors import PermissionDenied
from libs.events.event import Event
from libs.logging import get_logger
from libs.web.conditional import Precondition
from libs.web.pagination import Cursors, InvalidCursor, cut
from services.auth.administration.errors import AdminNoMore, OwnRights
from services.auth.administration.schemas import AccountChange, UserQuery
from services.auth.sessions.models import EndReason
from services.auth.users.errors import UserNotFound
from services.auth.users.events import deleted, updated
from services.auth.users.models import User
from services.auth.users.ports import Publish, UnitOfWork, Work
from services.auth.users.profiles import Profile, Profiles
from services.auth.users.registration import Registration
from services.auth.users.repository import Users
from services.auth.users.schemas import NewUser

log = get_logger()

CREATE = "POST /v1/users"
"""The route, in the scope of idempotency keys."""

RIGHTS = frozenset({"roles", "is_active"})


class Sessions(Protocol):
    """See `services.auth.sessions.service.Sessions`."""

    async def end_all(self, user_id: UUID, *, reason: EndReason) -> int: ...


class Administration:
    """The use cases.

    Args:
        users: where they are.
        registration: creates them.
        profiles: what is shown of them.
        sessions: where they are logged in.
        work: opens a unit of work on the module's database.
        publish: adds an event to it.
        cursor_key: what the cursors of the list are signed with.
    """

    def __init__(
        self,
        users: Users,
        registration: Registration,
        profiles: Profiles,
        sessions: Sessions,
        *,
        work: Work,
        publish: Publish,
        cursor_key: bytes,
    ) -> None:
        self._users = users
        self._registration = registration
        self._profiles = profiles
        self._sessions = sessions
        self._work = work
        self._publish = publish
        # A position is a user, not an address: cursors are in URLs, and URLs are in logs.
        self._cursors: Cursors[UUID] = Cursors("users after a user", UUID, cursor_key)

    async def page(
        self, principal: Principal, query: UserQuery
    ) -> tuple[Sequence[User], str | None]:
        """A page of the list, and the cursor of the next one.

        Raises:
            InvalidCursor: the query's cursor is not one of this list.
            PermissionDenied: the caller may not see who is deleted.
        """
        if query.include_deleted:
            _check_may_see_deleted(principal)
        bound = {**asdict(query.filters), "sort": query.sort}
        after = await self._position(self._cursors.read(query.cursor, bound))
        found = await self._users.page(
            query.filters, order=query.sort, after=after, limit=query.limit + 1
        )
        users, last = cut(found, query.limit)
        return users, None if last is None else self._cursors.write(last.id, bound)

    async def get(self, user_id: UUID) -> Profile:
        """What is shown of a user who is not deleted.

        Raises:
            UserNotFound: there is none.
        """
        profile = await self._profiles.get(user_id)
        if profile is None:
            raise UserNotFound
        return profile

    async def find(self, principal: Principal, user_id: UUID) -> User:
        """A user, who may be deleted.

        Raises:
            UserNotFound: there never was one.
            PermissionDenied: the caller may not see who is deleted.
        """
        _check_may_see_deleted(principal)
        user = await self._users.find(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def create(
        self,
        principal: Principal,
        new: NewUser,
        *,
        key: str | None,
        answer: Callable[[User], Answer],
    ) -> Answer:
        """Create a user; see `Registration.create_once`.

        Raises:
            AdminNoMore: the caller is not an administrator any more. Also what that raises.
        """
        await self._check_is_admin(principal, lock=False)
        scope = None if key is None else Scope(actor=principal.subject, route=CREATE, key=key)
        return await self._registration.create_once(new, scope, answer)

    async def change(
        self, principal: Principal, user_id: UUID, change: AccountChange, precondition: Precondition
    ) -> User:
        """Change a user.

        Raises:
            AdminNoMore: the caller is not an administrator any more.
            OwnRights: it is the caller, and their rights.
            PreconditionFailed: it is meant for another version.
            UserNotFound: there is none, or not any more.
        """
        async with self._work() as work:
            await self._check_is_admin(principal, lock=change.concerns_rights)
            user = await self._user(user_id, precondition)
            values = change.values(user)
            if values.keys() & RIGHTS:
                _check_is_other(principal, user)
            if values:
                await self._users.update(user, values)
                await self._tell(work, user, updated(user), "user.changed", fields=sorted(values))
            if values.get("is_active") is False:
                await self._sessions.end_all(user_id, reason=EndReason.ACCOUNT_DEACTIVATED)
        return user

    async def delete(self, principal: Principal, user_id: UUID, precondition: Precondition) -> None:
        """Delete a user, softly. The address can be used again.

        Raises: as `change`.
        """
        async with self._work() as work:
            await self._check_is_admin(principal, lock=True)
            user = await self._user(user_id, precondition)
            _check_is_other(principal, user)
            await self._users.delete(user)
            await self._tell(work, user, deleted(user), "user.deleted")
            await self._sessions.end_all(user_id, reason=EndReason.ACCOUNT_DELETED)

    async def _position(self, user_id: UUID | None) -> User | None:
        if user_id is None:
            return None
        user = await self._users.find(user_id)
        if user is None:
            raise InvalidCursor
        return user

    async def _user(self, user_id: UUID, precondition: Precondition) -> User:
        user = await self._users.get(user_id)
        if user is None:
            raise UserNotFound
        precondition.check(user.version)
        return user

    async def _check_is_admin(self, principal: Principal, *, lock: bool) -> None:
        if principal.subject not in map(str, await self._users.admins(lock=lock)):
            raise AdminNoMore

    async def _tell(
        self, work: UnitOfWork, user: User, event: Event, name: str, **details: Any
    ) -> None:
        await self._publish(event)
        work.after_commit(partial(self._profiles.forget, user.id))
        work.after_commit(partial(log.info, name, userId=str(user.id), **details))


def _check_may_see_deleted(principal: Principal) -> None:
    if not principal.may(Permission.USERS_WRITE):
        raise PermissionDenied(f"includeDeleted needs the permission {Permission.USERS_WRITE}")


def _check_is_other(principal: Principal, user: User) -> None:
    if principal.subject == str(user.id):
        raise OwnRights

"""Sessions: how they begin, go on and end.

A session goes on by its refresh token, which is good for one use and gives the next one. Of any
number of uses at the same time one succeeds. What another use of the same token means:

    within the grace, and the next token is not used
        with the same Idempotency-Key   the client has lost the answer: it gets the next token again
        else                            409: a double click. Nothing is lost, nothing is given out
    else                                somebody has a copy: the session is over, for both of them
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from libs.auth.deny_list import DenyList
from libs.context import amend
from libs.contracts.auth import (
    MessageKind,
    RefreshTokenReused,
    SessionEnded,
    SessionStarted,
)
from libs.errors import Unavailable
from libs.ids import uuid7
from libs.logging import get_logger
from libs.web.pagination import Cursors, cut
from services.auth.sessions.clients import Client
from services.auth.sessions.errors import InvalidRefreshToken, RefreshSuperseded, SessionNotFound
from services.auth.sessions.models import EndReason, Session
from services.auth.sessions.ports import (
    Ended,
    Exchange,
    Holder,
    NewSession,
    Prolonging,
    Store,
    Used,
)
from services.auth.sessions.refresh_tokens import digest, new_token, seal, unseal
from services.auth.settings import SessionSettings
from services.auth.users.ports import Notify, Publish, UnitOfWork, Work

log = get_logger()


@dataclass(frozen=True, slots=True)
class Going:
    """A session that goes on.

    Attributes:
        holder: whose it is.
        refresh_token: prolongs it, once.
    """

    session_id: UUID
    holder: Holder
    refresh_token: str = field(repr=False)


class Sessions:
    """The use cases.

    Args:
        store: where they are.
        deny_list: where those go that have ended.
        work: opens a unit of work on the module's database.
        publish: adds an event to it.
        notify: tells a user that somebody else has a token of theirs.
        access_token_s: how long an access token is accepted, in seconds.
        cursor_key: what the cursors of the list are signed with.
        now: the time.
    """

    def __init__(
        self,
        store: Store,
        deny_list: DenyList,
        settings: SessionSettings,
        *,
        work: Work,
        publish: Publish,
        notify: Notify,
        access_token_s: float,
        cursor_key: bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._deny_list = deny_list
        self._idle = timedelta(days=settings.idle_d)
        self._absolute = timedelta(days=settings.absolute_d)
        self._grace = timedelta(seconds=settings.grace_s)
        self._access = timedelta(seconds=access_token_s)
        self._work = work
        self._publish = publish
        self._notify = notify
        self._cursors: Cursors[UUID] = Cursors("sessions after a session", UUID, cursor_key)
        self._now = now

    async def begin(self, user_id: UUID, password_hash: str, client: Client) -> Going | None:
        """Begin a session of a user whose password was verified.

        Args:
            password_hash: that it was verified with.

        Returns:
            None: the user is not active any more, or has another password by now.
        """
        token, session_id, now = new_token(), uuid7(), self._now()
        new = NewSession(
            id=session_id,
            user_id=user_id,
            password_hash=password_hash,
            client=client,
            token=digest(token),
            now=now,
            access_until=now + self._access,
            idle_until=now + min(self._idle, self._absolute),
            expires_at=now + self._absolute,
        )
        async with self._work() as work:
            holder = await self._store.begin(new)
            if holder is None:
                return None
            _act(holder, session_id)
            await self._publish(SessionStarted(session_id=session_id, user_id=user_id))
            work.after_commit(partial(log.info, "session.started"))
        return Going(session_id, holder, token)

    async def prolong(self, token: str, client: Client, retry_key: str | None) -> Going:
        """Exchange a refresh token for the next one.

        Args:
            retry_key: the same for a request that is sent again.

        Raises:
            InvalidRefreshToken: it is not valid, or not any more.
            RefreshSuperseded: it was used a moment ago.
        """
        async with self._work() as work:
            going = await self._exchanged(token, client, retry_key)
            if going is None:
                going = await self._again(work, token, client, retry_key)
        if going is None:
            raise InvalidRefreshToken
        return going

    async def log_out(self, token: str) -> None:
        """End the session that a refresh token belongs to, whether it was used or not."""
        now = self._now()
        async with self._work() as work:
            found = await self._store.find(digest(token), now)
            if found is not None:
                amend(actor=str(found.user_id), session_id=str(found.session_id))
                await self._end(work, found.user_id, EndReason.LOGOUT, only=found.session_id)

    async def end(self, user_id: UUID, session_id: UUID) -> None:
        """End a session from its owner's list.

        Raises:
            SessionNotFound: the user has no such session, or not any more.
        """
        async with self._work() as work:
            if not await self._end(work, user_id, EndReason.REVOKED, only=session_id):
                raise SessionNotFound

    async def end_all(
        self, user_id: UUID, *, reason: EndReason, except_: UUID | None = None
    ) -> int:
        """End the sessions of a user; joins the unit of work that is open.

        Whoever takes an account or its password away does that first, in the same unit of work:
        then no session can begin in between.

        Args:
            except_: a session that goes on.

        Returns:
            How many they were.
        """
        async with self._work() as work:
            return len(await self._end(work, user_id, reason, except_=except_))

    async def page(
        self, user_id: UUID, *, limit: int, cursor: str | None
    ) -> tuple[Sequence[Session], str | None]:
        """A page of a user's live sessions, the newest first, and the cursor of the next one.

        Raises:
            InvalidCursor: the cursor is not one of this list.
        """
        bound = {"user": str(user_id)}
        after = self._cursors.read(cursor, bound)
        found = await self._store.page(user_id, now=self._now(), after=after, limit=limit + 1)
        sessions, last = cut(found, limit)
        return sessions, None if last is None else self._cursors.write(last.id, bound)

    async def _exchanged(self, token: str, client: Client, retry_key: str | None) -> Going | None:
        """The first use of a token; None: it is not, or the token is not valid."""
        successor, now = new_token(), self._now()
        exchange = Exchange(
            token=digest(token),
            successor=digest(successor),
            retry_key=None if retry_key is None else digest(retry_key),
            sealed=None if retry_key is None else seal(successor, token),
            now=now,
        )
        session_id = await self._store.exchange(exchange)
        if session_id is None:
            return None
        prolonged = await self._store.prolong(self._prolonging(session_id, client, now))
        if prolonged is None:
            raise InvalidRefreshToken  # and roll the exchange back
        await self._store.succeed(exchange, session_id, prolonged.idle_until)
        _act(prolonged.holder, session_id)
        return Going(session_id, prolonged.holder, successor)

    async def _again(
        self, work: UnitOfWork, token: str, client: Client, retry_key: str | None
    ) -> Going | None:
        """What becomes of a token that cannot be exchanged; None: nothing."""
        now = self._now()
        used = await self._store.find(digest(token), now)
        if used is None or used.used_at is None or not used.live:
            return None
        if used.successor_used or now - used.used_at > self._grace:
            await self._reused(work, used)
            return None
        if retry_key is None or used.retry_key != digest(retry_key) or used.sealed is None:
            raise RefreshSuperseded("Use the token that the first request was answered with")
        successor = unseal(used.sealed, token)
        prolonged = await self._store.prolong(self._prolonging(used.session_id, client, now))
        if successor is None or prolonged is None:
            return None
        _act(prolonged.holder, used.session_id)
        log.info("session.refresh_repeated")
        return Going(used.session_id, prolonged.holder, successor)

    async def _reused(self, work: UnitOfWork, used: Used) -> None:
        reason = EndReason.REFRESH_TOKEN_REUSED
        if await self._end(work, used.user_id, reason, only=used.session_id):
            await self._publish(
                RefreshTokenReused(session_id=used.session_id, user_id=used.user_id)
            )
            await self._notify(used.user_id, MessageKind.SESSION_COMPROMISED)
            fields = {"ofUser": str(used.user_id), "ofSession": str(used.session_id)}
            work.after_commit(partial(log.warning, "session.refresh_token_reused", **fields))

    async def _end(
        self,
        work: UnitOfWork,
        user_id: UUID,
        reason: EndReason,
        *,
        only: UUID | None = None,
        except_: UUID | None = None,
    ) -> Sequence[Ended]:
        ended = await self._store.end(
            user_id, reason=reason, now=self._now(), only=only, except_=except_
        )
        for session in ended:
            await self._publish(
                SessionEnded(
                    session_id=session.session_id,
                    user_id=user_id,
                    reason=reason.value,
                    access_until=session.access_until,
                )
            )
        if ended:
            work.after_commit(partial(self._deny, ended, reason))
        return ended

    async def _deny(self, ended: Sequence[Ended], reason: EndReason) -> None:
        """Once it is committed. Should the process die before, the event does it."""
        sessions = [str(session.session_id) for session in ended]
        log.info("session.ended", sessions=sessions, reason=reason.value)
        until = {str(e.session_id): e.access_until.timestamp() for e in ended}
        try:
            await self._deny_list.deny(until)
        except Unavailable as error:
            log.warning("session.not_denied_yet", sessions=sessions, detail=str(error))

    def _prolonging(self, session_id: UUID, client: Client, now: datetime) -> Prolonging:
        return Prolonging(
            session_id=session_id,
            client=client,
            now=now,
            access_until=now + self._access,
            idle_until=now + self._idle,
        )


def _act(holder: Holder, session_id: UUID) -> None:
    """From here on it is the user who acts."""
    amend(actor=str(holder.id), session_id=str(session_id), roles=holder.roles)

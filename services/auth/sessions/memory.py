"""Sessions in memory, for tests: the same rules, no server, and nobody else at the same time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.auth.sessions.models import EndReason, RefreshToken, Session
from services.auth.sessions.ports import (
    Ended,
    Exchange,
    Holder,
    NewSession,
    Prolonged,
    Prolonging,
    Used,
)

Accounts = Callable[[UUID], tuple[Holder, str] | None]
"""An active user, with the hash of the password; None: there is none."""


class MemorySessions:
    """A `ports.Store` in dictionaries.

    Args:
        accounts: the users.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.sessions: dict[UUID, Session] = {}
        self.tokens: dict[bytes, RefreshToken] = {}

    async def begin(self, new: NewSession) -> Holder | None:
        account = self._accounts(new.user_id)
        if account is None or account[1] != new.password_hash:
            return None
        self.sessions[new.id] = Session(
            id=new.id,
            user_id=new.user_id,
            device_name=new.client.device_name,
            ip_prefix=new.client.ip_prefix,
            created_at=new.now,
            last_seen_at=new.now,
            access_until=new.access_until,
            idle_until=new.idle_until,
            expires_at=new.expires_at,
        )
        self._add(new.token, new.id, new.now, new.idle_until)
        return account[0]

    async def exchange(self, exchange: Exchange) -> UUID | None:
        token = self.tokens.get(exchange.token)
        if token is None or token.used_at is not None or token.expires_at <= exchange.now:
            return None
        token.used_at, token.successor = exchange.now, exchange.successor
        token.retry_key, token.sealed_successor = exchange.retry_key, exchange.sealed
        return token.session_id

    async def succeed(self, exchange: Exchange, session_id: UUID, expires_at: datetime) -> None:
        for token in self.tokens.values():
            if token.session_id == session_id and token.hash != exchange.token:
                token.sealed_successor = None
        self._add(exchange.successor, session_id, exchange.now, expires_at)

    async def prolong(self, prolonging: Prolonging) -> Prolonged | None:
        session = self.sessions[prolonging.session_id]
        account = self._accounts(session.user_id)
        if account is None or not session.is_live(prolonging.now):
            return None
        session.last_seen_at = prolonging.now
        session.ip_prefix = prolonging.client.ip_prefix
        session.idle_until = min(prolonging.idle_until, session.expires_at)
        session.access_until = max(prolonging.access_until, session.access_until)
        return Prolonged(holder=account[0], idle_until=session.idle_until)

    async def find(self, token: bytes, now: datetime) -> Used | None:
        found = self.tokens.get(token)
        if found is None:
            return None
        session = self.sessions[found.session_id]
        successor = self.tokens.get(found.successor or b"")
        return Used(
            session_id=session.id,
            user_id=session.user_id,
            live=session.is_live(now),
            used_at=found.used_at,
            successor_used=successor is not None and successor.used_at is not None,
            retry_key=found.retry_key,
            sealed=found.sealed_successor,
        )

    async def end(
        self,
        user_id: UUID,
        *,
        reason: EndReason,
        now: datetime,
        only: UUID | None = None,
        except_: UUID | None = None,
    ) -> Sequence[Ended]:
        ended = []
        for session in self.sessions.values():
            if (
                session.user_id == user_id
                and session.is_live(now)
                and only in (None, session.id)
                and session.id != except_
            ):
                session.ended_at, session.end_reason = now, reason.value
                ended.append(
                    Ended(
                        session_id=session.id,
                        user_id=user_id,
                        access_until=session.access_until,
                    )
                )
        return ended

    async def page(
        self, user_id: UUID, *, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Session]:
        of_user = [s for s in self.sessions.values() if s.user_id == user_id and s.is_live(now)]
        of_user.sort(key=lambda s: s.id, reverse=True)
        return [s for s in of_user if after is None or s.id < after][:limit]

    def _add(self, token: bytes, session_id: UUID, now: datetime, expires_at: datetime) -> None:
        self.tokens[token] = RefreshToken(
            hash=token, session_id=session_id, issued_at=now, expires_at=expires_at
        )

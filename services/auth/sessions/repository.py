"""Every query on sessions and refresh tokens.

Whoever locks several rows does so in one order: a refresh token, then sessions by their ids.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.db.database import Database
from libs.db.statement import Statement
from services.auth.sessions.models import EndReason, Session
from services.auth.sessions.ports import (
    Ended,
    Exchange,
    Holder,
    NewSession,
    Prolonged,
    Prolonging,
    Used,
)

# FOR SHARE: who changes the user waits until this is committed, and then finds the session.
_BEGIN: Final = Statement("""/* sessions.begin */
WITH holder AS (
    SELECT id, roles, display_name, country, version FROM users
     WHERE id = :user_id AND password_hash = :password_hash AND is_active AND deleted_at IS NULL
       FOR SHARE
), session AS (
    INSERT INTO sessions (id, user_id, device_name, ip_prefix, created_at, last_seen_at,
                          access_until, idle_until, expires_at)
    SELECT :id, holder.id, :device_name, :ip_prefix, :now, :now,
           :access_until, :idle_until, :expires_at FROM holder
    RETURNING id
), token AS (
    INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at)
    SELECT :token, session.id, :now, :idle_until FROM session
)
SELECT * FROM holder""")

_EXCHANGE: Final = """/* refresh_tokens.exchange */
UPDATE refresh_tokens SET used_at = $2, successor = $3, retry_key = $4, sealed_successor = $5
 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2
RETURNING session_id"""

_SUCCEED: Final = """/* refresh_tokens.succeed */
WITH forgotten AS (
    UPDATE refresh_tokens SET sealed_successor = NULL
     WHERE session_id = $1 AND sealed_successor IS NOT NULL AND hash <> $2
)
INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at) VALUES ($3, $1, $4, $5)"""

# While it waits for somebody who ends the session it looks again, and finds it over.
_PROLONG: Final = Statement("""/* sessions.prolong */
UPDATE sessions s
   SET last_seen_at = :now, ip_prefix = :ip_prefix, idle_until = least(:idle_until, s.expires_at),
       access_until = greatest(:access_until, s.access_until)
  FROM users u
 WHERE s.id = :session_id AND s.ended_at IS NULL AND s.idle_until > :now
   AND u.id = s.user_id AND u.is_active AND u.deleted_at IS NULL
RETURNING u.id, u.roles, u.display_name, u.country, u.version, s.idle_until""")

_FIND: Final = """/* refresh_tokens.find */
SELECT t.session_id, s.user_id, t.used_at, t.retry_key, t.sealed_successor AS sealed,
       s.ended_at IS NULL AND s.idle_until > $2 AS live,
       n.used_at IS NOT NULL AS successor_used
  FROM refresh_tokens t
  JOIN sessions s ON s.id = t.session_id
  LEFT JOIN refresh_tokens n ON n.hash = t.successor
 WHERE t.hash = $1"""

_END: Final = Statement("""/* sessions.end */
UPDATE sessions SET ended_at = :now, end_reason = :reason
 WHERE id = ANY (ARRAY(
    SELECT id FROM sessions
     WHERE user_id = :user_id AND ended_at IS NULL AND idle_until > :now
       AND (:only::uuid IS NULL OR id = :only) AND id IS DISTINCT FROM :except::uuid
     ORDER BY id FOR UPDATE))
RETURNING id AS session_id, user_id, access_until""")


class SessionRepository:
    """Sessions in PostgreSQL; a `ports.Store`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, new: NewSession) -> Holder | None:
        values = {
            "id": new.id,
            "user_id": new.user_id,
            "password_hash": new.password_hash,
            "device_name": new.client.device_name,
            "ip_prefix": new.client.ip_prefix,
            "token": new.token,
            "now": new.now,
            "access_until": new.access_until,
            "idle_until": new.idle_until,
            "expires_at": new.expires_at,
        }
        row = await self._db.row(_BEGIN.sql, *_BEGIN.arguments(values))
        return None if row is None else _holder(row)

    async def exchange(self, exchange: Exchange) -> UUID | None:
        row = await self._db.row(
            _EXCHANGE,
            exchange.token,
            exchange.now,
            exchange.successor,
            exchange.retry_key,
            exchange.sealed,
        )
        return None if row is None else row["session_id"]

    async def succeed(self, exchange: Exchange, session_id: UUID, expires_at: datetime) -> None:
        await self._db.rows(
            _SUCCEED, session_id, exchange.token, exchange.successor, exchange.now, expires_at
        )

    async def prolong(self, prolonging: Prolonging) -> Prolonged | None:
        values = {
            "session_id": prolonging.session_id,
            "ip_prefix": prolonging.client.ip_prefix,
            "now": prolonging.now,
            "access_until": prolonging.access_until,
            "idle_until": prolonging.idle_until,
        }
        row = await self._db.row(_PROLONG.sql, *_PROLONG.arguments(values))
        if row is None:
            return None
        return Prolonged(holder=_holder(row), idle_until=row["idle_until"])

    async def find(self, token: bytes, now: datetime) -> Used | None:
        row = await self._db.row(_FIND, token, now)
        return None if row is None else Used(**row)

    async def end(
        self,
        user_id: UUID,
        *,
        reason: EndReason,
        now: datetime,
        only: UUID | None = None,
        except_: UUID | None = None,
    ) -> Sequence[Ended]:
        values = {
            "user_id": user_id,
            "reason": reason.value,
            "now": now,
            "only": only,
            "except": except_,
        }
        rows = await self._db.rows(_END.sql, *_END.arguments(values))
        return [Ended(**row) for row in rows]

    async def page(
        self, user_id: UUID, *, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Session]:
        sessions = Session.filter(user_id=user_id, ended_at__isnull=True, idle_until__gt=now)
        if after is not None:
            sessions = sessions.filter(id__lt=after)
        return await sessions.order_by("-id").limit(limit)


def _holder(row: dict[str, Any]) -> Holder:
    return Holder(
        id=row["id"],
        roles=tuple(row["roles"]),
        display_name=row["display_name"],
        country=row["country"],
        revision=row["version"],
    )

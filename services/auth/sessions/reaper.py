"""Removes what is left of sessions that are long over, and refresh tokens that have expired."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.db.database import Database
from libs.db.housekeeping import Housekeeper
from libs.logging import get_logger
from services.auth.settings import SessionSettings

log = get_logger()

_SEALED: Final = """/* refresh_tokens.forget_sealed */
UPDATE refresh_tokens SET sealed_successor = NULL
 WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM refresh_tokens
     WHERE sealed_successor IS NOT NULL AND used_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))"""

_TOKENS: Final = """/* refresh_tokens.reap */
DELETE FROM refresh_tokens WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM refresh_tokens
     WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))"""

_SESSIONS: Final = """/* sessions.reap */
DELETE FROM sessions WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM sessions
     WHERE least(ended_at, idle_until) < $1 ORDER BY least(ended_at, idle_until)
     LIMIT $2 FOR UPDATE SKIP LOCKED))"""


class SessionReaper(Housekeeper):
    """The reaper of sessions and their tokens.

    Args:
        now: the time.
    """

    def __init__(
        self,
        db: Database,
        settings: SessionSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        every_s, batch = settings.reap_every_s, settings.reap_batch
        super().__init__(db, "session_reaper", every_s=every_s, batch=batch)
        self._grace = timedelta(seconds=settings.grace_s)
        self._keep = timedelta(days=settings.keep_d)
        self._now = now

    async def reap(self) -> dict[str, int]:
        """Remove all that is too old; tells how many rows it was, by what they were.

        Raises:
            Unavailable: see `in_batches`.
        """
        now = self._now()
        return {
            "sealed": await self.in_batches(_SEALED, now - self._grace),
            "tokens": await self.in_batches(_TOKENS, now),
            "sessions": await self.in_batches(_SESSIONS, now - self._keep),
        }

    async def keep_house(self) -> None:
        log.info("sessions.reaped", **await self.reap())

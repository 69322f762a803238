"""Takes what is personal out of users who were deleted long enough ago, and removes old messages.

The row stays: orders, audit records and sessions name its id, and the id says nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.context import current
from libs.db.database import Database
from libs.db.housekeeping import Housekeeper
from libs.logging import get_logger
from services.auth.settings import ErasureSettings

log = get_logger()

KEEP_MESSAGES: Final = timedelta(days=7)
"""Longer than their tokens are valid."""

# ZZ is nobody's country: ISO 3166-1 leaves it to users.
_USERS: Final = """/* users.erase */
UPDATE users
   SET email = 'erased-' || id || '@erased.invalid', password_hash = '', display_name = 'Erased',
       country = 'ZZ', is_verified = false, erased_at = $1, updated_at = $1, updated_by = $2,
       version = version + 1
 WHERE id = ANY (ARRAY(
    SELECT id FROM users
     WHERE deleted_at < $3 AND erased_at IS NULL
     ORDER BY deleted_at LIMIT $4 FOR UPDATE SKIP LOCKED))"""

_MESSAGES: Final = """/* messages.reap */
DELETE FROM messages WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM messages
     WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))"""


class Eraser(Housekeeper):
    """The eraser of users and messages.

    Args:
        now: the time.
    """

    def __init__(
        self,
        db: Database,
        settings: ErasureSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        every_s, batch = settings.every_s, settings.batch
        super().__init__(db, "eraser", every_s=every_s, batch=batch)
        self._after = timedelta(days=settings.after_d)
        self._now = now

    async def erase(self) -> dict[str, int]:
        """Erase all that is due; tells how many rows it was, by what they were.

        Raises:
            Unavailable: see `in_batches`.
        """
        now = self._now()
        return {
            "users": await self.in_batches(_USERS, now, current().actor, now - self._after),
            "messages": await self.in_batches(_MESSAGES, now - KEEP_MESSAGES),
        }

    async def keep_house(self) -> None:
        log.info("accounts.erased", **await self.erase())

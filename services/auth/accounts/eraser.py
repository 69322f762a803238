"""Takes what is personal out of users who were deleted long enough ago, and removes old messages.

The row stays: orders, audit records and sessions name its id, and the id says nothing. Every
process that hosts the module has an eraser. Each takes rows that no other is taking.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.context import current, new_context_id, use
from libs.db.database import Database
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


class Eraser:
    """A `libs.module.Task`.

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
        self._db = db
        self._settings = settings
        self._now = now
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        return f"{self._db.name}.eraser"

    async def run(self) -> None:
        """Erase now and then, until `stop` is called. A failure is logged; the next time may do."""
        while not await self._pause():
            job = replace(
                current(),
                service=self._db.name,
                context_id=new_context_id(),
                actor=f"service:{self._db.name}",
            )
            with use(job):
                await self._turn()

    async def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()

    async def erase(self) -> dict[str, int]:
        """Erase all that is due, in batches that are transactions of their own.

        Returns:
            How many rows it was, by what they were.

        Raises:
            Unavailable: the database does not answer, or not in time. What was erased stays so.
        """
        now = self._now()
        deleted_before = now - timedelta(days=self._settings.after_d)
        return {
            "users": await self._each(_USERS, now, current().actor, deleted_before),
            "messages": await self._each(_MESSAGES, now - KEEP_MESSAGES),
        }

    async def _each(self, statement: str, *arguments: object) -> int:
        total, batch = 0, self._settings.batch
        while not self._stopping.is_set():
            count = await self._db.execute(statement, *arguments, batch)
            total += count
            if count < batch:
                break
        return total

    async def _turn(self) -> None:
        try:
            erased = await self.erase()
        except Exception as error:  # noqa: BLE001  # whatever it is: the next time may do
            log.warning("accounts.erasure_failed", error=type(error).__name__, detail=str(error))
        else:
            log.info("accounts.erased", **erased)

    async def _pause(self) -> bool:
        """Wait, never twice the same time: processes that started together are to drift apart."""
        seconds = self._settings.every_s * random.uniform(0.5, 1.5)  # noqa: S311  # no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

"""Removes what is left of sessions that are long over, and refresh tokens that have expired.

Every process that hosts the module has a reaper. Each takes rows that no other is taking.
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


class SessionReaper:
    """A `libs.module.Task`.

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
        self._db = db
        self._settings = settings
        self._now = now
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        return f"{self._db.name}.session_reaper"

    async def run(self) -> None:
        """Reap now and then, until `stop` is called. A failure is logged; the next time may do."""
        while not await self._pause():
            job = replace(current(), service=self._db.name, context_id=new_context_id())
            with use(job):
                await self._turn()

    async def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()

    async def reap(self) -> dict[str, int]:
        """Remove all that is too old, in batches that are transactions of their own.

        Returns:
            How many rows it was, by what they were.

        Raises:
            Unavailable: the database does not answer, or not in time. What was removed stays so.
        """
        now, settings = self._now(), self._settings
        return {
            "sealed": await self._each(_SEALED, now - timedelta(seconds=settings.grace_s)),
            "tokens": await self._each(_TOKENS, now),
            "sessions": await self._each(_SESSIONS, now - timedelta(days=settings.keep_d)),
        }

    async def _each(self, statement: str, before: datetime) -> int:
        total, batch = 0, self._settings.reap_batch
        while not self._stopping.is_set():
            count = await self._db.execute(statement, before, batch)
            total += count
            if count < batch:
                break
        return total

    async def _turn(self) -> None:
        try:
            removed = await self.reap()
        except Exception as error:  # noqa: BLE001  # whatever it is: the rows can wait
            log.warning("sessions.reap_failed", error=type(error).__name__, detail=str(error))
        else:
            log.info("sessions.reaped", **removed)

    async def _pause(self) -> bool:
        """Wait, never twice the same time: processes that started together are to drift apart."""
        seconds = self._settings.reap_every_s * random.uniform(0.5, 1.5)  # noqa: S311  # no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

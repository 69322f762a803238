"""Removes idempotency keys that are so old that nobody sends their request again.

Every process that hosts the module has a reaper. Each takes rows that no other is taking, so that
they neither wait for each other nor need to agree on one of them.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from typing import Final

from libs.context import current, new_context_id, use
from libs.db.database import Database
from libs.db.settings import IdempotencySettings
from libs.logging import get_logger

_log = get_logger()

# By their place in the table, which cannot change while they are locked: a join on the primary key
# would read the whole table.
_REAP: Final = """/* idempotency.reap */
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys
     WHERE created_at < now() - make_interval(secs => $1)
     ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))"""


class IdempotencyReaper:
    """The reaper of one module's keys. A `libs.module.Task`."""

    def __init__(self, db: Database, settings: IdempotencySettings) -> None:
        self._db = db
        self._settings = settings
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def name(self) -> str:
        return f"{self._db.name}.idempotency_reaper"

    async def run(self) -> None:
        """Reap now and then, until `stop` is called. A failure is logged; the next time may do."""
        self._ended.clear()
        try:
            while not await self._pause():
                job = replace(current(), service=self._db.name, context_id=new_context_id())
                with use(job):
                    await self._turn()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """End after the batch at hand; returns when `run` has."""
        self._stopping.set()
        await self._ended.wait()

    async def reap(self) -> int:
        """Delete every key that is too old, in batches that are transactions of their own.

        Returns:
            How many they were. Those that another reaper is deleting are its own.

        Raises:
            Unavailable: the database does not answer, or not in time. What was deleted stays so.
        """
        settings = self._settings
        total, full = 0, True
        while full and not self._stopping.is_set():
            count = await self._db.execute(_REAP, settings.keep_h * 3600.0, settings.reap_batch)
            total += count
            full = count == settings.reap_batch
        return total

    async def _turn(self) -> None:
        try:
            count = await self.reap()
        except Exception as error:  # noqa: BLE001  # whatever it is: the keys can wait
            _log.warning("idempotency.reap_failed", error=type(error).__name__, detail=str(error))
        else:
            _log.info("idempotency.reaped", keys=count)

    async def _pause(self) -> bool:
        """Wait, never twice the same time: processes that started together are to drift apart.

        Returns:
            Whether the reaper is to stop.
        """
        seconds = self._settings.reap_every_s * random.uniform(0.5, 1.5)  # noqa: S311  # no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

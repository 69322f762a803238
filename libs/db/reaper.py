"""Removes idempotency keys that are so old that nobody sends their request again."""

from typing import Final

from libs.db.database import Database
from libs.db.housekeeping import Housekeeper
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


class IdempotencyReaper(Housekeeper):
    """The reaper of one module's keys."""

    def __init__(self, db: Database, settings: IdempotencySettings) -> None:
        every_s, batch = settings.reap_every_s, settings.reap_batch
        super().__init__(db, "idempotency_reaper", every_s=every_s, batch=batch)
        self._keep_s = settings.keep_h * 3600.0

    async def reap(self) -> int:
        """Delete every key that is too old; see `in_batches`."""
        return await self.in_batches(_REAP, self._keep_s)

    async def keep_house(self) -> None:
        _log.info("idempotency.reaped", keys=await self.reap())

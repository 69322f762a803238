"""Publishing again what a broker may have lost."""

from datetime import UTC, datetime
from typing import Final

from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work
from libs.logging import get_logger

log = get_logger()

BATCH: Final = 5000

_REPUBLISH = """/* outbox.republish */
WITH lost AS (
    SELECT id, published_at, seq FROM outbox
    WHERE published_at < $3 AND (published_at, seq) > ($1, $2)
    ORDER BY published_at, seq LIMIT $4
), again AS (
    UPDATE outbox SET published_at = NULL FROM lost WHERE outbox.id = lost.id
)
SELECT published_at, seq FROM lost ORDER BY published_at, seq"""

_NOTIFY = "/* outbox.notify */ SELECT pg_notify(current_schema() || '_outbox', '')"


async def republish(db: Database, since: datetime, until: datetime | None = None) -> int:
    """Have the relay publish again what was published from `since` on and before `until` (now).

    Events keep their ids: consumers drop what they have handled. All of it, or in case of an error
    nothing, so that newer events cannot get in between.

    Returns:
        How many events there are.
    """
    until = until or datetime.now(UTC)
    after, seq, count = since, 0, 0
    async with unit_of_work(db):
        while rows := await db.rows(_REPUBLISH, after, seq, until, BATCH):
            after, seq = rows[-1]["published_at"], rows[-1]["seq"]
            count += len(rows)
        await db.rows(_NOTIFY)
    log.info("relay.republish", events=count, since=since.isoformat(), until=until.isoformat())
    return count

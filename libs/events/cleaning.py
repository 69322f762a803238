"""Removing what outbox and inbox need no longer, and watching how the two tables are."""

import time
from typing import Final
from uuid import UUID

from prometheus_client import Gauge

from libs.db.database import Database
from libs.db.housekeeping import Housekeeper
from libs.events.settings import ConsumerSettings, RelaySettings
from libs.logging import get_logger

log = get_logger()

ROWS = Gauge(
    "throughline_event_table_rows",
    "Rows of outbox and inbox, as PostgreSQL estimates them; dead ones wait for vacuum",
    ["module", "table", "state"],
)
BYTES = Gauge(
    "throughline_event_table_bytes", "Size with indexes, on the disk", ["module", "table"]
)

# By their place in the table, which cannot change while they are locked: a join on the primary key
# would read the whole table.
_CLEAN_OUTBOX: Final = """/* outbox.clean */
DELETE FROM outbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM outbox
     WHERE published_at < now() - make_interval(secs => $1)
     ORDER BY published_at, seq LIMIT $2 FOR UPDATE SKIP LOCKED))"""

# An event's id begins with the time at which it was made, and nothing is handled before that: so
# the primary key, walked through for each consumer, leads to the old rows.
_CLEAN_INBOX: Final = """/* inbox.clean */
WITH RECURSIVE consumers (consumer) AS (
    (SELECT consumer FROM inbox ORDER BY consumer LIMIT 1)
    UNION ALL
    SELECT (SELECT i.consumer FROM inbox i WHERE i.consumer > c.consumer
            ORDER BY i.consumer LIMIT 1)
      FROM consumers c WHERE c.consumer IS NOT NULL
)
DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT old.ctid FROM consumers c CROSS JOIN LATERAL (
        SELECT i.ctid FROM inbox i
         WHERE i.consumer = c.consumer AND i.event_id < $2
           AND i.handled_at < now() - make_interval(secs => $1)
         ORDER BY i.event_id LIMIT $3 FOR UPDATE SKIP LOCKED
    ) old LIMIT $3))"""

# By the functions under pg_stat_user_tables: the view would look through the whole catalogue.
_TABLES: Final = """/* events.tables */
SELECT name AS relname, pg_stat_get_live_tuples(relid) AS n_live_tup,
       pg_stat_get_dead_tuples(relid) AS n_dead_tup, pg_total_relation_size(relid) AS bytes
  FROM unnest(ARRAY['outbox', 'inbox']) AS name, to_regclass(name) AS relid"""


class EventCleaner(Housekeeper):
    """The cleaner of one module's outbox and inbox."""

    def __init__(self, db: Database, relay: RelaySettings, consumer: ConsumerSettings) -> None:
        every_s, batch = relay.clean_every_s, relay.clean_batch
        super().__init__(db, "event_cleaner", every_s=every_s, batch=batch)
        self._keep_outbox_s = relay.keep_h * 3600
        self._keep_inbox_s = consumer.keep_h * 3600

    async def clean(self) -> dict[str, int]:
        """Delete what is too old; tells how many rows it was, by table.

        Raises:
            Unavailable: see `in_batches`.
        """
        before = first_id_at(time.time() - self._keep_inbox_s)
        return {
            "outbox": await self.in_batches(_CLEAN_OUTBOX, self._keep_outbox_s),
            "inbox": await self.in_batches(_CLEAN_INBOX, self._keep_inbox_s, before),
        }

    async def measure(self) -> None:
        """Set the gauges.

        Raises:
            Unavailable: the database does not answer.
        """
        for row in await self._db.rows(_TABLES):
            table = row["relname"]
            ROWS.labels(self._db.name, table, "live").set(row["n_live_tup"])
            ROWS.labels(self._db.name, table, "dead").set(row["n_dead_tup"])
            BYTES.labels(self._db.name, table).set(row["bytes"])

    async def keep_house(self) -> None:
        deleted = await self.clean()
        await self.measure()
        log.info("events.cleaned", **deleted)


def first_id_at(seconds: float) -> UUID:
    """The least UUIDv7 of a moment (seconds since 1970)."""
    return UUID(int=round(seconds * 1000) << 80)

"""Removing what outbox and inbox need no longer, and watching how the two tables are.

Every process that hosts the module cleans. Each takes rows that no other is taking, so that they
need not agree on one of them.
"""

import random
import time
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

from prometheus_client import Gauge

from libs.context import current, new_context_id, use
from libs.db.database import Database
from libs.events.settings import ConsumerSettings, RelaySettings
from libs.events.supervisor import Supervisor
from libs.events.waiting import pause, pause_after
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

_TABLES: Final = """/* events.tables */
SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid) AS bytes
  FROM pg_stat_user_tables
 WHERE schemaname = current_schema() AND relname IN ('outbox', 'inbox')"""


class EventCleaner:
    """The cleaner of one module's outbox and inbox. A `libs.module.Task`.

    Args:
        consumer: None if the module has no inbox.
    """

    def __init__(
        self, db: Database, relay: RelaySettings, consumer: ConsumerSettings | None = None
    ) -> None:
        self._db = db
        self._relay = relay
        self._consumer = consumer
        self._supervisor = Supervisor(
            db.name,
            "events.clean_failed",
            partial(pause_after, base=relay.backoff_base_s, longest=relay.backoff_max_s),
        )

    @property
    def name(self) -> str:
        return f"{self._db.name}.event_cleaner"

    async def run(self) -> None:
        """Clean now and then, until `stop` is called. A failure is logged; the next time may do."""
        await self._supervisor.run(self._turn)

    async def stop(self) -> None:
        """End after the batch at hand; returns when `run` has."""
        await self._supervisor.stop()

    async def clean(self) -> dict[str, int]:
        """Delete what is too old, in batches that are transactions of their own.

        Returns:
            How many rows, by table. Those that another cleaner is deleting are its own.

        Raises:
            Unavailable: the database does not answer, or not in time. What was deleted stays so.
        """
        batch, keep_s = self._relay.clean_batch, self._relay.keep_h * 3600
        deleted = {"outbox": await self._repeat(_CLEAN_OUTBOX, keep_s, batch)}
        if self._consumer is not None:
            keep_s = self._consumer.keep_h * 3600
            before = first_id_at(time.time() - keep_s)
            deleted["inbox"] = await self._repeat(_CLEAN_INBOX, keep_s, before, batch)
        return deleted

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

    async def _turn(self) -> None:
        # Never twice the same time: processes that started together are to drift apart.
        wait_s = self._relay.clean_every_s * random.uniform(0.5, 1.5)  # noqa: S311  # no secret
        if await pause(self._supervisor.stopping, wait_s):
            return
        with use(replace(current(), context_id=new_context_id())):
            deleted = await self.clean()
            await self.measure()
            log.info("events.cleaned", **deleted)
        self._supervisor.well()

    async def _repeat(self, sql: str, *args: float | UUID) -> int:
        """Delete batch by batch, of the size that is the last argument."""
        total, full = 0, True
        while full and not self._supervisor.stopping.is_set():
            count = await self._db.execute(sql, *args)
            total += count
            full = count >= args[-1]  # type: ignore[operator]
        return total


def first_id_at(seconds: float) -> UUID:
    """The least UUIDv7 of a moment (seconds since 1970)."""
    return UUID(int=round(seconds * 1000) << 80)

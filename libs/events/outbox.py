"""The outbox: events that commit together with what they tell of.

`Outbox` is the side of the use cases, `OutboxQueue` that of the relay.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from libs.context import current
from libs.db.database import Database, server_settings
from libs.db.errors import DRIVER_ERRORS, translate
from libs.db.query_log import QueryLog
from libs.db.unit_of_work import current_unit_of_work
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.ids import uuid7
from libs.logging import get_logger

log = get_logger()

MAX_PAYLOAD: Final = 900_000
"""Bytes. An event that the broker refuses would hold up all that come after it."""

TIMEOUT_S: Final = 10.0
"""How long the relay waits for an answer of the database before it takes it for lost."""

_ADD = """/* outbox.add */
WITH added AS (
    INSERT INTO outbox (id, topic, type, version, subject,
                        context_id, causation_id, actor, payload, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
)
SELECT pg_notify(current_schema() || '_outbox', '') FROM added"""

_TRY_LOCK = """/* outbox.lock */
SELECT pg_try_advisory_lock(hashtextextended('throughline.relay.' || current_schema(), 0))"""

_UNPUBLISHED = """/* outbox.unpublished */
SELECT id, topic, type, version, subject, context_id, causation_id, actor, payload, occurred_at
FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1"""

_MARK = """/* outbox.mark */
UPDATE outbox SET published_at = clock_timestamp()
WHERE id = ANY($1::uuid[]) AND published_at IS NULL"""


class Outbox:
    """Where a module's use cases leave their events."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, event: Event) -> UUID:
        """Add an event to the open unit of work; returns its id.

        Raises:
            RuntimeError: no unit of work is open on the module's database.
            ValueError: the event is too large.
        """
        current_unit_of_work(self._db)
        payload = event.to_json()
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{event.type} has {len(payload)} bytes; {MAX_PAYLOAD} is the limit")
        context = current()
        event_id = uuid7()
        await self._db.rows(
            _ADD,
            event_id,
            event.topic,
            event.type,
            event.version,
            event.key(),
            context.context_id,
            context.causation_id,
            context.actor,
            payload.decode(),
            datetime.now(UTC),
        )
        log.info("outbox.added", eventId=str(event_id), eventType=event.type, topic=event.topic)
        return event_id


class OutboxQueue:
    """A module's outbox, as its relay sees it.

    It has a connection of its own, because the claim and the notifications belong to a session. It
    must lead to the server itself, not to a pooler that shares sessions out by transaction.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def module(self) -> str:
        return self._db.name

    @asynccontextmanager
    async def session(self) -> AsyncIterator["OutboxSession"]:
        """A connection for the length of a block.

        Raises:
            Unavailable: there is none.
        """
        try:
            connection = await self._connect()
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        try:
            yield OutboxSession(connection, self._db)
        finally:
            with suppress(*DRIVER_ERRORS):
                await connection.close(timeout=1)
            connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        settings = self._db.settings
        connection: asyncpg.Connection = await asyncpg.connect(
            settings.url.get_secret_value(),
            timeout=TIMEOUT_S,
            command_timeout=TIMEOUT_S,
            server_settings={
                **server_settings(
                    self._db.name, {"statement_timeout": settings.statement_timeout_ms}
                ),
                "application_name": f"throughline/{self._db.name}/relay",
                # So that the server soon gives the claim of a host that has vanished to another.
                "tcp_keepalives_idle": "2",
                "tcp_keepalives_interval": "1",
                "tcp_keepalives_count": "3",
            },
        )
        return connection


class OutboxSession:
    """The relay's connection. Implements `relay.Session`.

    The looking for work, once a second for ever, is not in the query log; what it leads to is.
    """

    def __init__(self, connection: asyncpg.Connection, db: Database) -> None:
        self._connection = connection
        self._query_log = QueryLog(db.name, slow_query_ms=db.settings.slow_query_ms)
        self._module = db.name
        self._source = f"/throughline/{db.name}"
        self._news = asyncio.Event()

    async def try_claim(self) -> bool:
        """Try for the lock that only one session can have; with it, listen."""
        # Not pg_advisory_lock: while that waits its snapshot keeps vacuum from clearing anything.
        try:
            if not await self._connection.fetchval(_TRY_LOCK):
                return False
            async with asyncio.timeout(TIMEOUT_S):
                await self._connection.add_listener(f"{self._module}_outbox", self._notified)
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        self._connection.add_termination_listener(self._notified)
        return True

    async def unpublished(self, limit: int) -> list[Envelope]:
        self._news.clear()
        try:
            rows = await self._connection.fetch(_UNPUBLISHED, limit)
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        return [self._envelope(row) for row in rows]

    async def mark(self, ids: Sequence[UUID]) -> None:
        try:
            with self._connection.query_logger(self._query_log):
                await self._connection.execute(_MARK, ids)
        except DRIVER_ERRORS as error:
            raise translate(error) from error

    async def wait(self, timeout: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), timeout)

    def _notified(self, *_: object) -> None:
        self._news.set()

    def _envelope(self, row: asyncpg.Record) -> Envelope:
        return Envelope(
            id=row["id"],
            type=row["type"],
            source=self._source,
            time=row["occurred_at"],
            subject=row["subject"],
            version=row["version"],
            topic=row["topic"],
            context_id=row["context_id"],
            causation_id=row["causation_id"],
            actor=row["actor"],
            data=row["payload"].encode(),
        )

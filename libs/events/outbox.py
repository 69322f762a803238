"""The outbox: events that commit together with what they tell of.

`Outbox` is the side of the use cases, `OutboxQueue` that of the relay.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from libs.context import current
from libs.db.database import Database, server_settings
from libs.db.errors import DRIVER_ERRORS, translate
from libs.db.query_log import QueryLog
from libs.db.statement import Statement
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

SILENCE_MS: Final = 3000
"""After which the server ends a relay's session, and so its claim: it has died, or hangs."""

WAKE_EVERY_S: Final = 0.005

INSERT: Final = """
INSERT INTO outbox (id, topic, type, version, subject,
                    context_id, causation_id, actor, session_id, payload, occurred_at)
SELECT :event_id::uuid, :event_topic::text, :event_type::text, :event_version::integer,
       :event_subject::text, :event_context::text, :event_causation::text, :event_actor::text,
       :event_session::text, :event_payload::text, :event_at::timestamptz"""
"""A part of a statement that makes a new aggregate: adds the first event of it. `FROM` may follow.
See `Outbox.row` and `Outbox.committed`."""

# Two transactions that have events of one aggregate go one after the other, from here to their
# commit. So `seq`, which is drawn under the lock, is in the order of their commits.
_ADD = Statement(f"""/* outbox.add */
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(
        hashtextextended(current_schema() || '/' || :event_topic || '/' || :event_subject, 0))
)
{INSERT} FROM turn""")  # noqa: S608 (of constants)

# After the commit and not in it: a transaction that notifies holds, until its commit is on the
# disk, a lock that the whole server has one of, and so no two of them commit together.
# The notification itself need not survive a crash.
_WAKE = """/* outbox.wake */
SELECT set_config('synchronous_commit', 'off', true),
       pg_notify(current_schema() || '_outbox', '')"""

_TRY_LOCK = """/* outbox.lock */
SELECT pg_try_advisory_lock(hashtextextended('throughline.relay.' || current_schema(), 0))"""

_BEAT = "/* outbox.beat */ SELECT 1"

_UNPUBLISHED = """/* outbox.unpublished */
SELECT id, topic, type, version, subject, context_id, causation_id, actor, session_id, payload,
       occurred_at
FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1"""

_MARK = """/* outbox.mark */
UPDATE outbox SET published_at = clock_timestamp()
WHERE id = ANY($1::uuid[]) AND published_at IS NULL"""


class Outbox:
    """Where a module's use cases leave their events."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waking: asyncio.Task[None] | None = None
        self._wake_again = False

    async def add(self, event: Event) -> UUID:
        """Add an event to the open unit of work; returns its id.

        Waits while another transaction has an event of the same aggregate. Whoever adds events of
        several aggregates does so in one order everywhere, else two may wait for each other: one
        then loses the race.

        Raises:
            RuntimeError: no unit of work is open on the module's database.
            ValueError: the event is too large.
            LostRace: see above.
        """
        work = current_unit_of_work(self._db)
        row = self.row(event)
        await self._db.rows(_ADD.sql, *_ADD.arguments(row))
        work.after_commit(self._wake)
        _note(row)
        event_id: UUID = row["event_id"]
        return event_id

    def row(self, event: Event) -> dict[str, Any]:
        """An event as the parameters of `INSERT`.

        Raises:
            ValueError: the event is too large.
        """
        payload = event.to_json()
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{event.type} has {len(payload)} bytes; {MAX_PAYLOAD} is the limit")
        context = current()
        return {
            "event_id": uuid7(),
            "event_topic": event.topic,
            "event_type": event.type,
            "event_version": event.version,
            "event_subject": event.key(),
            "event_context": context.context_id,
            "event_causation": context.causation_id,
            "event_actor": context.actor,
            "event_session": context.session_id,
            "event_payload": payload.decode(),
            "event_at": datetime.now(UTC),
        }

    def committed(self, row: Mapping[str, Any]) -> None:
        """To be called when a statement with `INSERT` has added `row`, and is committed."""
        self._wake()
        _note(row)

    def _wake(self) -> None:
        """Tell the relay, wherever it is; without waiting for it, and many commits at once."""
        self._wake_again = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._keep_waking())

    async def _keep_waking(self) -> None:
        while self._wake_again:
            self._wake_again = False
            try:
                await self._db.rows(_WAKE)
            except Exception as error:  # noqa: BLE001  # the relay looks by itself, every second
                log.debug("outbox.wake_failed", error=type(error).__name__)
            await asyncio.sleep(WAKE_EVERY_S)


def _note(row: Mapping[str, Any]) -> None:
    log.info(
        "outbox.added",
        eventId=str(row["event_id"]),
        eventType=row["event_type"],
        topic=row["event_topic"],
    )


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
                    self._db.name,
                    {
                        "statement_timeout": settings.statement_timeout_ms,
                        # A stopped process' system still acknowledges everything: what shows
                        # that it lives is that it asks something now and then.
                        "idle_session_timeout": SILENCE_MS,
                        "tcp_user_timeout": SILENCE_MS,  # in the midst of an answer
                    },
                ),
                "application_name": f"throughline/{self._db.name}/relay",
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

    async def beat(self) -> None:
        try:
            await self._connection.execute(_BEAT)
        except DRIVER_ERRORS as error:
            raise translate(error) from error

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
            session_id=row["session_id"],
            data=row["payload"].encode(),
        )

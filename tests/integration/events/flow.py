"""What the tests of the flow have in common: a handler, and looking at what has come of it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work
from libs.events.bus import Bus, Partition, Record
from libs.events.consumer import Consumer
from libs.events.event import Event
from libs.events.handling import Handler
from libs.events.inbox import DatabaseInbox
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.events.settings import ConsumerSettings, RelaySettings
from tests.events import Noted
from tests.waiting import PATIENCE_S

QUICK = ConsumerSettings(attempts=3, retry_base_s=0.01, retry_max_s=0.1)
RELAY = RelaySettings(backoff_base_s=0.05, backoff_max_s=0.2)


class Broken(Exception):
    """What a handler of these tests fails with."""


async def kill(task: asyncio.Task[None]) -> None:
    """End it as the end of its process would, as far as one can tell from outside."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def publish(db: Database, *events: Event) -> list[UUID]:
    """Add events, in a transaction each."""
    outbox = Outbox(db)
    ids = []
    for event in events:
        async with unit_of_work(db):
            ids.append(await outbox.add(event))
    return ids


def relay_of(db: Database, bus: Bus) -> Relay:
    return Relay(OutboxQueue(db), bus, RELAY)


def consumer_of(
    db: Database,
    bus: Bus,
    handle: Callable[[Noted], Awaitable[None]] | None = None,
    settings: ConsumerSettings = QUICK,
) -> Consumer:
    """A consumer whose handler writes the event's text to `effects`, after `handle`."""

    async def effect(event: Noted, _: None) -> None:
        if handle is not None:
            await handle(event)
        await db.execute("/* effects.add */ INSERT INTO effects (what) VALUES ($1)", event.text)

    handler = Handler[Noted, None](name="effects.write", event=Noted, handle=effect)
    return Consumer(
        inbox=DatabaseInbox(db), bus=bus, group="receiver", handlers=[handler], settings=settings
    )


async def effects(db: Database) -> list[str]:
    rows = await db.rows("/* effects.all */ SELECT what FROM effects ORDER BY id")
    return [row["what"] for row in rows]


async def unpublished(db: Database) -> int:
    rows = await db.rows(
        "/* outbox.count */ SELECT count(*) AS n FROM outbox WHERE published_at IS NULL"
    )
    return int(rows[0]["n"])


def has_effects(db: Database, *wanted: str) -> Callable[[], Awaitable[bool]]:
    """Whether these effects are there, in whatever order."""

    async def check() -> bool:
        return sorted(await effects(db)) == sorted(wanted)

    return check


def all_published(db: Database) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await unpublished(db) == 0

    return check


async def read_topic(bus: Bus, topic: str, count: int) -> list[Record]:
    """The first records of a topic, read by a group of their own."""
    found: list[Record] = []

    async def revoked(_: frozenset[Partition]) -> None:
        pass

    subscription = await bus.subscribe("reader", [topic], revoked)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < count:
                for partition, records in (await subscription.poll(0.1)).items():
                    found += records
                    subscription.release(partition)
    finally:
        await subscription.close()
    return found

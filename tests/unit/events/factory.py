"""Events, handlers and fakes for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from libs.events.bus import Message
from libs.events.consumer import Consumer
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.events.handling import AnyHandler, Handler
from libs.events.memory import MemoryBus, MemoryInbox
from libs.events.settings import ConsumerSettings, RelaySettings
from tests.events import Noted, envelope_of

CONSUMER = ConsumerSettings(
    attempts=3,
    retry_base_s=0.001,
    retry_max_s=0.002,
    outage_max_s=0.002,
    handler_timeout_s=0.5,
    grace_s=0.1,
)
RELAY = RelaySettings(batch=2, poll_s=0.01, backoff_base_s=0.001, backoff_max_s=0.002)


class Forgotten(Event):
    topic: ClassVar[str] = "notes"

    note_id: str

    def key(self) -> str:
        return self.note_id


def message_of(event: Event, **changes: Any) -> Message:
    return envelope_of(event, **changes).to_message()


async def bus_with_topics(partitions: int = 3) -> MemoryBus:
    bus = MemoryBus(partitions)
    await bus.ensure_topics(["notes", "receiver.dead-letter"])
    return bus


def handler_of(
    handle: Callable[[Noted], Awaitable[None]], name: str = "notes.write"
) -> Handler[Noted, None]:
    async def call(event: Noted, _: None) -> None:
        await handle(event)

    return Handler[Noted, None](name=name, event=Noted, handle=call)


def consumer_of(
    bus: MemoryBus, *handlers: AnyHandler, inbox: MemoryInbox | None = None, **settings: Any
) -> Consumer:
    return Consumer(
        inbox=inbox or MemoryInbox(),
        bus=bus,
        group="receiver",
        handlers=handlers,
        settings=CONSUMER.model_copy(update=settings),
    )


class FakeQueue:
    """An outbox in memory.

    Attributes:
        rows: what is in it.
        published: the ids of what is marked.
        claimed: whether somebody has the claim.
        broken: fail as a lost database does.
        beats: how often a relay has shown that it lives.
        mark_failures: what marking raises, one a call, before it succeeds.
    """

    module = "sender"

    def __init__(self, *events: Event) -> None:
        self.rows = [envelope_of(event) for event in events]
        self.published: list[UUID] = []
        self.claimed = False
        self.beats = 0
        self.broken: Exception | None = None
        self.mark_failures: list[Exception] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FakeSession"]:
        session = FakeSession(self)
        try:
            yield session
        finally:
            if session.has_claim:
                self.claimed = False


class FakeSession:
    def __init__(self, queue: FakeQueue) -> None:
        self._queue = queue
        self.has_claim = False

    async def try_claim(self) -> bool:
        if self._queue.claimed:
            return False
        self._queue.claimed = self.has_claim = True
        return True

    async def beat(self) -> None:
        self._queue.beats += 1
        if self._queue.broken:
            raise self._queue.broken

    async def unpublished(self, limit: int) -> Sequence[Envelope]:
        if self._queue.broken:
            raise self._queue.broken
        marked = set(self._queue.published)
        return [row for row in self._queue.rows if row.id not in marked][:limit]

    async def mark(self, ids: Sequence[UUID]) -> None:
        if self._queue.mark_failures:
            raise self._queue.mark_failures.pop()
        self._queue.published += ids

    async def wait(self, timeout: float) -> None:
        await asyncio.sleep(timeout)

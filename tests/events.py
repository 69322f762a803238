"""Events and their envelopes, and tasks that run for the length of a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.ids import uuid7
from libs.module import Task


class Noted(Event):
    topic: ClassVar[str] = "notes"

    note_id: str
    text: str = ""

    def key(self) -> str:
        return self.note_id


def envelope_of(event: Event, **changes: Any) -> Envelope:
    """An event as another module publishes it; `changes` are attributes of the envelope."""
    attributes: dict[str, Any] = {
        "id": uuid7(),
        "type": event.type,
        "source": "/throughline/sender",
        "time": datetime.now(UTC),
        "subject": event.key(),
        "version": event.version,
        "topic": event.topic,
        "context_id": "ctx-of-a-test",
        "causation_id": None,
        "actor": "user-1",
        "data": event.to_json(),
    }
    return Envelope(**attributes | changes)


@asynccontextmanager
async def running(task: Task) -> AsyncIterator[asyncio.Task[None]]:
    """Have it run during a block; stopped at the end, unless the block killed it."""
    running = asyncio.create_task(task.run())
    try:
        yield running
    finally:
        if not running.done():
            await task.stop()
        with suppress(asyncio.CancelledError):
            await running

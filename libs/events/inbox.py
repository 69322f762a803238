"""Which handler has handled which event: what turns "at least once" into one effect."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import UUID

from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work

_HANDLED = "/* inbox.handled */ SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2"

# Waits for another transaction that is inserting the same row, so of two only one gets a row back.
_CLAIM = """/* inbox.claim */
INSERT INTO inbox (consumer, event_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING event_id"""


class Inbox(Protocol):
    """A module's inbox. In memory: `memory.MemoryInbox`."""

    async def handled(self, consumer: str, event_id: UUID) -> bool:
        """Whether `consumer` is done with the event."""

    def claim(self, consumer: str, event_id: UUID) -> AbstractAsyncContextManager[bool]:
        """A unit of work in which the event is noted as handled.

        The block gets True if the event is new to `consumer`; its effects and the note then
        commit, or not, together. It gets False if somebody was faster.
        """


class DatabaseInbox:
    """The inbox in the module's schema."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def handled(self, consumer: str, event_id: UUID) -> bool:
        return bool(await self._db.rows(_HANDLED, consumer, event_id))

    @asynccontextmanager
    async def claim(self, consumer: str, event_id: UUID) -> AsyncIterator[bool]:
        async with unit_of_work(self._db):
            yield bool(await self._db.rows(_CLAIM, consumer, event_id))

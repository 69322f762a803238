"""Which handler has handled which event: what turns "at least once" into one effect."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import UUID

from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work
from libs.events.pausing import is_paused

_HANDLED = "/* inbox.handled */ SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2"

# Waits for another transaction that is inserting the same row, so of two only one gets a row back.
_CLAIM = """/* inbox.claim */
INSERT INTO inbox (consumer, event_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING event_id"""

# In one order, whoever claims: of two who claim the same, neither may wait for the other.
_CLAIM_ALL = """/* inbox.claim_all */
INSERT INTO inbox (consumer, event_id)
SELECT consumer, event_id FROM unnest($1::text[], $2::uuid[]) AS claim (consumer, event_id)
ORDER BY consumer, event_id
ON CONFLICT DO NOTHING RETURNING consumer, event_id"""

Claim = tuple[str, UUID]
"""A handler's name and an event's id."""


class Inbox(Protocol):
    """A module's inbox. In memory: `memory.MemoryInbox`."""

    async def handled(self, consumer: str, event_id: UUID) -> bool:
        """Whether `consumer` is done with the event."""

    def claim(self, consumer: str, event_id: UUID) -> AbstractAsyncContextManager[bool]:
        """A unit of work in which the event is noted as handled.

        The block gets True if the event is new to `consumer`; its effects and the note then
        commit, or not, together. It gets False if somebody was faster.
        """

    def claim_all(self, claims: Sequence[Claim]) -> AbstractAsyncContextManager[frozenset[Claim]]:
        """A unit of work for several; the block gets those that are new."""

    async def paused(self, group: str) -> bool:
        """Whether the group is to handle nothing, until it is told otherwise."""


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

    @asynccontextmanager
    async def claim_all(self, claims: Sequence[Claim]) -> AsyncIterator[frozenset[Claim]]:
        consumers, ids = [name for name, _ in claims], [event_id for _, event_id in claims]
        async with unit_of_work(self._db):
            rows = await self._db.rows(_CLAIM_ALL, consumers, ids)
            yield frozenset((row["consumer"], row["event_id"]) for row in rows)

    async def paused(self, group: str) -> bool:
        return await is_paused(self._db, group)

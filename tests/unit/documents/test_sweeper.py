"""Sweeping goes on, whatever happens to single documents or to the servers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from libs.context import current
from libs.documents.outbox import Waiting
from libs.documents.sweeper import WAITING, Pace, Sweeper
from libs.errors import Unavailable
from tests.waiting import until

PACE = Pace(every_s=0.001, batch=2)


class Left:
    """Documents with events, and what becomes of them.

    Attributes:
        stuck: those whose events cannot be moved.
        down: how often the servers are still not there.
    """

    def __init__(self, *documents: UUID) -> None:
        self.documents = list(documents)
        self.stuck: set[UUID] = set()
        self.down = 0
        self.looks = 0
        self.forgotten = 0
        self.contexts: set[str] = set()

    async def overdue(
        self, age: timedelta, *, limit: int
    ) -> Sequence[tuple[UUID, Sequence[Waiting]]]:
        assert age == PACE.patience
        self.looks += 1
        self.contexts.add(current().context_id)
        return [(document, ()) for document in self.documents[:limit]]

    async def forward(self, document_id: UUID, events: Sequence[Waiting]) -> None:
        assert events == ()
        if self.down:
            self.down -= 1
            raise Unavailable
        if document_id in self.stuck:
            raise ValueError("too large")
        self.documents.remove(document_id)

    async def forget_marks(self, age: timedelta) -> int:
        assert age == PACE.keep_marks
        self.forgotten += 1
        return 1


@asynccontextmanager
async def sweeping(left: Left) -> AsyncIterator[None]:
    sweeper = Sweeper("unit", "things", left, PACE)
    running = asyncio.create_task(sweeper.run())
    try:
        yield
    finally:
        await sweeper.stop()
        await running


async def test_what_is_left_is_moved(log: list[Any]) -> None:
    left = Left(*(uuid4() for _ in range(5)))
    async with sweeping(left):
        await until(lambda: not left.documents and left.looks > 4, "all to be moved")
    assert len([line for line in log if line["event"] == "documents.swept"]) == 5
    assert left.forgotten == 1, "once an hour"
    assert len(left.contexts) == left.looks, "each look has a context of its own"
    assert WAITING.labels("unit.things.sweeper")._value.get() == 0


async def test_one_that_is_stuck_does_not_hold_up_the_others(log: list[Any]) -> None:
    stuck, other = uuid4(), uuid4()
    left = Left(stuck, other)
    left.stuck = {stuck}
    async with sweeping(left):
        await until(lambda: left.documents == [stuck] and left.looks > 2, "the other to be moved")
    told = [line for line in log if line["event"] == "documents.event_stuck"]
    assert {line["documentId"] for line in told} == {str(stuck)}


async def test_servers_that_are_away_are_waited_for(log: list[Any]) -> None:
    left = Left(uuid4(), uuid4())
    left.down = 3
    async with sweeping(left):
        await until(lambda: not left.documents, "the servers")
    assert [line["event"] for line in log if line["event"].startswith("documents.sw")] == [
        *(["documents.sweep_failed"] * 3),
        *(["documents.swept"] * 2),
    ]
    assert left.forgotten <= 1

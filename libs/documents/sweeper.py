"""Moves the events that somebody left behind in documents; see `outbox.py`.

Every process of a module sweeps: what two find at once is moved once. It is what bounds how late
an event may be whose process was killed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from prometheus_client import Gauge

from libs.context import current, new_context_id, use
from libs.documents.outbox import Waiting
from libs.errors import Unavailable
from libs.logging import get_logger
from libs.tasks import Supervisor
from libs.waiting import pause, pause_after

log = get_logger()

WAITING = Gauge(
    "throughline_documents_waiting", "Documents with an event that waits too long", ["task"]
)

LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how soon.

    Attributes:
        every_s: seconds between two looks.
        patience: how long whoever made an event has to move it.
        batch: how many documents at a time.
        keep_marks: for how long a document stands for an idempotency key. Longer than the key's
            row is kept, which is what answers a repeated request.
        forget_every: between two looks for marks that are older.
    """

    every_s: float = 2.0
    patience: timedelta = timedelta(seconds=5)
    batch: int = 100
    keep_marks: timedelta = timedelta(hours=96)
    forget_every: timedelta = timedelta(hours=1)


class Outbox(Protocol):
    """What it needs of `outbox.DocumentOutbox`."""

    async def overdue(
        self, age: timedelta, *, limit: int
    ) -> Sequence[tuple[UUID, Sequence[Waiting]]]: ...
    async def forward(self, document_id: UUID, events: Sequence[Waiting]) -> None: ...
    async def forget_marks(self, age: timedelta) -> int: ...


class Sweeper:
    """The task of one collection. Implements `libs.module.Task`."""

    def __init__(
        self, module: str, collection: str, outbox: Outbox, pace: Pace | None = None
    ) -> None:
        self.name = f"{module}.{collection}.sweeper"
        self._outbox = outbox
        self._pace = pace = pace or Pace()
        backoff = partial(pause_after, base=pace.every_s, longest=LONGEST_PAUSE_S)
        self._supervisor = Supervisor(module, "documents.sweep_failed", backoff)
        self._next_forgetting = 0.0

    async def run(self) -> None:
        """Sweep until `stop` is called. Failures are logged, and followed by another try."""
        await self._supervisor.run(self._turn)

    async def stop(self) -> None:
        """End after the document at hand; returns when `run` has."""
        await self._supervisor.stop()

    async def _turn(self) -> None:
        """Sweep once, and wait unless there is more."""
        with use(replace(current(), context_id=new_context_id())):
            moved = await self._sweep()
            await self._forget()  # not while answers to keys wait to be stored
        self._supervisor.well()
        if moved < self._pace.batch:
            await pause(self._supervisor.stopping, self._pace.every_s)

    async def _sweep(self) -> int:
        """Move what is overdue; returns of how many documents."""
        found = await self._outbox.overdue(self._pace.patience, limit=self._pace.batch)
        WAITING.labels(self.name).set(len(found))
        moved = 0
        for document_id, events in found:
            if self._supervisor.stopping.is_set():
                break
            moved += await self._move(document_id, events)
        return moved

    async def _move(self, document_id: UUID, events: Sequence[Waiting]) -> bool:
        which = {"task": self.name, "documentId": str(document_id), "events": len(events)}
        try:
            await self._outbox.forward(document_id, events)
        except Unavailable:
            raise
        except Exception:
            log.exception("documents.event_stuck", **which)  # the others need not wait for it
            return False
        log.warning("documents.swept", **which)
        return True

    async def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_forgetting:
            return
        forgotten = await self._outbox.forget_marks(self._pace.keep_marks)
        self._next_forgetting = now + self._pace.forget_every.total_seconds()
        if forgotten:
            log.info("documents.marks_forgotten", count=forgotten, task=self.name)

"""Moves the events that somebody left behind in documents; see `outbox.py`.

Every process of a module sweeps: what two find at once is moved once. It is what bounds how late
an event may be whose process was killed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from prometheus_client import Gauge

from libs.context import current, new_context_id, use
from libs.documents.outbox import Waiting
from libs.errors import Unavailable
from libs.events.waiting import pause, pause_after
from libs.logging import get_logger

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

    def __init__(self, name: str, outbox: Outbox, pace: Pace | None = None) -> None:
        self._name = name
        self._outbox = outbox
        self._pace = pace or Pace()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._failures = 0
        self._next_forgetting = 0.0

    @property
    def name(self) -> str:
        return self._name

    async def run(self) -> None:
        """Sweep until `stop` is called. Failures are logged, and followed by another try."""
        self._ended.clear()
        try:
            while not self._stopping.is_set():
                await pause(self._stopping, await self._turn())
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """End after the document at hand; returns when `run` has."""
        self._stopping.set()
        await self._ended.wait()

    async def _turn(self) -> float:
        """Sweep once; returns the seconds to wait."""
        with use(replace(current(), context_id=new_context_id())):
            try:
                moved = await self._sweep()
                await self._forget()  # not while answers to keys wait to be stored
            except Exception as error:  # noqa: BLE001  # whatever it is: the events wait, and so do we
                self._failures += 1
                wait_s = pause_after(
                    self._failures, base=self._pace.every_s, longest=LONGEST_PAUSE_S
                )
                log.warning(
                    "documents.sweep_failed",
                    task=self._name,
                    error=type(error).__name__,
                    detail=str(error),
                    retryInMs=round(wait_s * 1000, 3),
                )
                return wait_s
        self._failures = 0
        return 0.0 if moved == self._pace.batch else self._pace.every_s

    async def _sweep(self) -> int:
        """Move what is overdue; returns of how many documents."""
        found = await self._outbox.overdue(self._pace.patience, limit=self._pace.batch)
        WAITING.labels(self._name).set(len(found))
        moved = 0
        for document_id, events in found:
            if self._stopping.is_set():
                break
            moved += await self._move(document_id, events)
        return moved

    async def _move(self, document_id: UUID, events: Sequence[Waiting]) -> bool:
        which = {"task": self._name, "documentId": str(document_id), "events": len(events)}
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
            log.info("documents.marks_forgotten", count=forgotten, task=self._name)

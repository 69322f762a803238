"""A partition's work at hand."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence

from libs.events.bus import Record

Handle = Callable[[Record, asyncio.Event], Awaitable[bool]]
"""Deals with a record; False if it was interrupted before all was done."""


class Lane:
    """Events of one key one after another, different keys side by side.

    What may be committed is what was done without a gap. A key that is stuck keeps its partition's
    offset where it is, while the others go on: after a crash they come again, and the inbox drops
    them.

    Args:
        handle: what to do with a record.
        window: how many records may be at hand.
        progress: called when a record is done, or a task has failed.

    Attributes:
        committed: the offset that was committed last, as far as is known.
    """

    def __init__(self, handle: Handle, window: int, progress: Callable[[], None]) -> None:
        self._handle = handle
        self._window = window
        self._progress = progress
        self._interrupted = asyncio.Event()
        self._pending: OrderedDict[int, None] = OrderedDict()
        self._end: int | None = None
        self._queues: dict[bytes | None, deque[Record]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._defect: BaseException | None = None
        self.committed: int | None = None

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    @property
    def full(self) -> bool:
        return len(self._pending) >= self._window

    @property
    def roomy(self) -> bool:
        return len(self._pending) <= self._window // 2

    @property
    def done(self) -> int | None:
        """The offset up to which everything is done, exclusive; None if nothing was at hand."""
        return next(iter(self._pending), self._end)

    def check(self) -> None:
        """Raises what has broken a task."""
        if self._defect is not None:
            raise self._defect

    def add(self, records: Sequence[Record]) -> None:
        """Take records, in their order."""
        if self.committed is None and records:
            self.committed = records[0].position.offset  # where it was when we began
        for record in records:
            offset = record.position.offset
            self._pending[offset] = None
            self._end = offset + 1
            queue = self._queues.get(record.key)
            if queue is None:
                self._queues[record.key] = deque([record])
                self._start(record.key)
            else:
                queue.append(record)

    def interrupt(self) -> None:
        """Begin with no further record."""
        self._interrupted.set()

    async def drain(self, grace_s: float) -> None:
        """Let the records that are being handled finish; cancel those that take too long."""
        self.interrupt()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, key: bytes | None) -> None:
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _work(self, key: bytes | None) -> None:
        """Handle what there is of a key."""
        queue = self._queues[key]
        while queue and not self._interrupted.is_set():
            if not await self._handle(queue[0], self._interrupted):
                return
            self._pending.pop(queue.popleft().position.offset, None)
            self._progress()
        if not queue:
            del self._queues[key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._defect = self._defect or error
            self._progress()

"""Invalidations that the store did not take.

They are kept and sent again until it does. Until then this process goes around the cache for what
they concern, so that it always sees its own writes. Other processes may see what was stored before
until it expires: nobody can tell them, as the store is how they would be told.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Final

from libs.cache.background import Background
from libs.cache.report import Report
from libs.cache.store import Store
from libs.errors import Unavailable

KEPT: Final = 10_000
"""So many are kept. When there are more, this process goes around the cache altogether, for as long
as anything lives that was stored before."""

PAUSE_S: Final = 1.0
_BATCH: Final = 500


class Invalidations:
    """Sends them, again and again if need be.

    Args:
        store: where the generations are.
        report: told of failures.
        background: for sending them again.
    """

    def __init__(self, store: Store, report: Report, background: Background) -> None:
        self._store = store
        self._report = report
        self._background = background
        self._kept: dict[str, object] = {}  # a generation's name, and a mark of this time's own
        self._overflowed_at: float | None = None
        self._repeating = False

    def outstanding(self, generation: str, life: float) -> bool:
        """Whether entries under the generation of this name, which live for `life` seconds, may be
        invalid without the store's knowing it."""
        if generation in self._kept:
            return True
        return self._overflowed_at is not None and time.monotonic() < self._overflowed_at + life

    async def send(self, generations: Sequence[str], values: Sequence[str] = ()) -> None:
        """Forget generations, and the values that are useless without. Never raises for the store's
        sake; when it returns, this process sees nothing of what was stored before."""
        try:
            await self._store.delete(*generations, *values)
        except Unavailable as error:
            self._report.failed("delete", error)
            self._keep(generations)
        except asyncio.CancelledError:  # it may or may not have been sent
            self._keep(generations)
            raise

    def _keep(self, generations: Sequence[str]) -> None:
        for name in generations:
            if name in self._kept or len(self._kept) < KEPT:
                self._kept[name] = object()
            else:
                self._overflowed_at = time.monotonic()
        if not self._repeating:
            self._repeating = True
            self._background.run(self._repeat())

    async def _repeat(self) -> None:
        taken = 0
        try:
            while self._kept:
                batch = dict(islice(self._kept.items(), _BATCH))
                try:
                    await self._store.delete(*batch, urgent=True)
                except Unavailable as error:
                    self._report.failed("delete", error)
                    await asyncio.sleep(PAUSE_S)
                else:
                    taken += self._forget(batch)
            self._report.caught_up(taken)
        finally:
            self._repeating = False

    def _forget(self, batch: dict[str, object]) -> int:
        """Those of the batch that were not sent once more while it was on its way, and so may be
        newer than it. How many."""
        taken = [name for name, mark in batch.items() if self._kept.get(name) is mark]
        for name in taken:
            del self._kept[name]
        return len(taken)

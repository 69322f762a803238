"""Sparing a dependency that is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from libs.errors import Unavailable
from libs.waiting import pause, unless


def is_outage(error: BaseException) -> bool:
    """Whether an error says that a dependency is not there, and nothing about the event."""
    return isinstance(error, Unavailable | ConnectionError)


class Gate:
    """Lets everybody through; while a dependency is down one at a time, with growing pauses.

    Those who wait come through in turn. So one event whose dependency is down, for it alone, holds
    up the others for a first pause at most: the next one that comes through opens the gate again.

    Args:
        pause_after: the seconds to wait after so many failures in a row.
    """

    def __init__(self, pause_after: Callable[[int], float]) -> None:
        self._pause_after = pause_after
        self._failures = 0
        self._opens_at = 0.0
        self._turn = asyncio.Lock()

    async def through(
        self, attempt: Callable[[], Awaitable[None]], interrupted: asyncio.Event
    ) -> bool:
        """Make an attempt when its turn has come; False if `interrupted` was set before that.

        Raises:
            Exception: what the attempt raises.
        """
        if not self._failures:
            return await self._watched(attempt, interrupted)
        if not await unless(interrupted, self._turn.acquire()):
            return False
        try:
            if self._failures:
                await pause(interrupted, max(0.0, self._opens_at - time.monotonic()))
                return await self._watched(attempt, interrupted, probe=True)
        finally:
            self._turn.release()
        return await self._watched(attempt, interrupted)

    async def _watched(
        self,
        attempt: Callable[[], Awaitable[None]],
        interrupted: asyncio.Event,
        *,
        probe: bool = False,
    ) -> bool:
        if interrupted.is_set():
            return False
        try:
            await attempt()
        except Exception as error:
            self._note(outage=is_outage(error), probe=probe)
            raise
        self._note(outage=False, probe=probe)
        return True

    def _note(self, *, outage: bool, probe: bool) -> None:
        """Of those that failed together the first one counts, and from then on the probes."""
        if not outage:
            self._failures = 0
        elif probe or not self._failures:
            self._failures += 1
            self._opens_at = time.monotonic() + self._pause_after(self._failures)

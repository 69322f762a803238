"""Something that is done every few seconds for as long as the process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from libs.errors import AppError
from libs.logging import get_logger

log = get_logger()


class Periodic:
    """A `libs.module.Task`. A failure is logged once, until it has worked again.

    Args:
        name: of the task.
        work: what is done.
        every_s: seconds between the end of one time and the beginning of the next.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        self.name = name
        self._work = work
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._failing = False

    async def run(self) -> None:
        """Work, at once and then every few seconds, until `stop` is called."""
        while not self._stopping.is_set():
            await self._turn()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)

    async def stop(self) -> None:
        """End after the work at hand."""
        self._stopping.set()

    async def _turn(self) -> None:
        try:
            await self._work()
        except AppError as error:
            if not self._failing:
                log.warning("periodic.failed", task=self.name, error=error.code, detail=str(error))
            self._failing = True
        else:
            if self._failing:
                log.info("periodic.recovered", task=self.name)
            self._failing = False

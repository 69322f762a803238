"""What a relay and a consumer have in common: turn after turn until stopped, whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from libs.context import current, use
from libs.events.waiting import pause
from libs.logging import get_logger

log = get_logger()


class Supervisor:
    """Runs a task's turns.

    Args:
        service: the module, for the log.
        failed: the name of the log line for a turn that failed.
        pause_after: the seconds to wait after so many failures in a row.

    Attributes:
        stopping: is set when the task is to end.
        last_error: what the turns are failing with, at present.
    """

    def __init__(self, service: str, failed: str, pause_after: Callable[[int], float]) -> None:
        self._service = service
        self._failed = failed
        self._pause_after = pause_after
        self._failures = 0
        self._ended = asyncio.Event()
        self._ended.set()
        self.stopping = asyncio.Event()
        self.last_error: str | None = None

    async def run(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Take turns until `stop` is called. A failure is logged, and followed by a pause."""
        self._ended.clear()
        try:
            with use(replace(current(), service=self._service)):
                while not self.stopping.is_set():
                    await self._take(turn)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Have the turn end; returns when `run` has."""
        self.stopping.set()
        await self._ended.wait()

    def well(self) -> None:
        """Note that things go well: the next failure is a first one."""
        self._failures = 0
        self.last_error = None

    async def _take(self, turn: Callable[[], Awaitable[None]]) -> None:
        try:
            await turn()
        except Exception as error:  # noqa: BLE001  # whatever it is: nothing is lost by waiting
            self._failures += 1
            self.last_error = type(error).__name__
            wait_s = self._pause_after(self._failures)
            log.warning(
                self._failed,
                error=self.last_error,
                detail=str(error),
                retryInMs=round(wait_s * 1000, 3),
            )
            await pause(self.stopping, wait_s)

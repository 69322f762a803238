"""Work beside the requests, turn after turn until it is stopped: two kinds of `libs.module.Task`.

`Periodic` does something now and then. `Supervisor` is for what goes on for as long as it goes
well, a relay or a consumer, and begins again after a pause when it fails.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

from libs.context import current, new_context_id, use
from libs.errors import AppError
from libs.logging import get_logger
from libs.waiting import pause

log = get_logger()

Work = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs a task's turns.

    Args:
        service: the module that the task belongs to.
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

    async def run(self, turn: Work) -> None:
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

    async def _take(self, turn: Work) -> None:
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


class Periodic:
    """Does something at once, and then again and again, each time under a context of its own.

    A failure is logged when it is another one than the last time; the next time may do.

    Args:
        name: of the task.
        work: what is done.
        every_s: the most seconds between the end of one time and the beginning of the next. It is
            never the same twice: processes that started together are to drift apart.
        service: the module that it is done for; None: the process itself.

    Attributes:
        stopping: is set when the task is to end.
    """

    def __init__(
        self, name: str, work: Work, *, every_s: float, service: str | None = None
    ) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self._work = work
        self._every_s = every_s
        self._service = service
        self._failing_with: str | None = None

    async def run(self) -> None:
        """Work until `stop` is called."""
        while not self.stopping.is_set():
            await self._turn()
            await pause(self.stopping, self._every_s * random.uniform(0.5, 1.0))  # noqa: S311

    async def stop(self) -> None:
        """End after the work at hand."""
        self.stopping.set()

    async def _turn(self) -> None:
        context = replace(current(), context_id=new_context_id())
        if self._service is not None:
            context = replace(context, service=self._service, actor=f"service:{self._service}")
        with use(context):
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001  # whatever it is: the next time may do
                self._note(error)
            else:
                if self._failing_with is not None:
                    log.info("periodic.recovered", task=self.name)
                self._failing_with = None

    def _note(self, error: Exception) -> None:
        known = isinstance(error, AppError)
        kind = error.code if isinstance(error, AppError) else type(error).__name__
        if kind != self._failing_with:
            log.warning(
                "periodic.failed",
                task=self.name,
                error=kind,
                detail=str(error),
                **({} if known else {"exc_info": error}),
            )
        self._failing_with = kind

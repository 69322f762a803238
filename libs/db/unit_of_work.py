"""The unit of work: the one transaction that a use case is.

    async with unit_of_work(db) as work:
        order = await orders.add(...)
        await outbox.add(OrderPlaced(...))
        work.after_commit(relay.wake)
    # committed here, before the response starts

Opened again for the same database it joins: only the outermost one commits. If a part that joined
fails and the failure is swallowed, the whole is rolled back all the same, and the outermost one
raises RuntimeError: what is left would be half of what was meant.

It belongs to the task that opened it. Tasks made inside inherit the transaction, as they inherit
every context variable: their statements go there too, one at a time (Tortoise's prefetching relies
on that), but they may not open a unit of work, and when the transaction is over their statements
raise RuntimeError. Work that is to go on afterwards is started from `after_commit`.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from libs.context import transaction_open
from libs.db.database import Database
from libs.db.transaction import Isolation
from libs.logging import get_logger

AfterCommit = Callable[[], Awaitable[object] | None]

_log = get_logger()


class UnitOfWork:
    """An open unit of work."""

    def __init__(self, db: Database, isolation: Isolation | None) -> None:
        self.db = db
        self._isolation = isolation
        self._task = asyncio.current_task()
        self._after_commit: list[AfterCommit] = []
        self._failed_by: BaseException | None = None

    def after_commit(self, callback: AfterCommit) -> None:
        """Have `callback` called once this is committed; never, if it is rolled back.

        Callbacks run in their order, in this task, before `async with` ends. What they raise is
        logged and otherwise ignored: the work is done, and its caller must hear so.
        """
        self._after_commit.append(callback)

    def _check_join(self, db: Database, isolation: Isolation | None) -> None:
        if db is not self.db:
            raise RuntimeError(
                f"a unit of work on {self.db.name!r} is open: one on {db.name!r} could not be"
                " committed together with it"
            )
        if asyncio.current_task() is not self._task:
            raise RuntimeError(
                "a task that was started inside a unit of work may not open one: it would be part"
                " of a transaction that it does not control; start the task outside, or from"
                " after_commit"
            )
        if isolation is not None and isolation != self._isolation:
            raise RuntimeError(f"the open unit of work is not {isolation}, and cannot become it")

    @asynccontextmanager
    async def _join(self) -> AsyncIterator["UnitOfWork"]:
        try:
            yield self
        except BaseException as error:
            self._failed_by = self._failed_by or error
            raise

    @asynccontextmanager
    async def _open(self) -> AsyncIterator["UnitOfWork"]:
        async with self.db.transaction(self._isolation):
            current, is_open = _current.set(self), transaction_open.set(True)
            try:
                yield self
                self._check_whole()
            finally:
                _current.reset(current)
                transaction_open.reset(is_open)
        await self._run_after_commit()

    def _check_whole(self) -> None:
        if self._failed_by is not None:
            raise RuntimeError(
                f"rolled back: a part of the unit of work failed ({type(self._failed_by).__name__})"
                " and the error was swallowed"
            ) from self._failed_by

    async def _run_after_commit(self) -> None:
        for callback in self._after_commit:
            try:
                result = callback()
                if inspect.isawaitable(result):
                    await result
            except Exception:  # noqa: BLE001  the commit stands, whatever becomes of this
                _log.error("db.after_commit_failed", exc_info=True)


_current: ContextVar[UnitOfWork | None] = ContextVar("unit_of_work", default=None)


@asynccontextmanager
async def unit_of_work(
    db: Database, *, isolation: Isolation | None = None
) -> AsyncIterator[UnitOfWork]:
    """Run a block in one transaction.

    Args:
        isolation: None for PostgreSQL's default, read committed.

    Raises:
        Unavailable: the database does not answer, or not in time. If that happens at the commit,
            it is not known whether the work is done: an idempotency key tells.
        Conflict: a concurrent transaction was in the way; another attempt may succeed.
        RuntimeError: a failure inside was swallowed; or it cannot be joined here.
    """
    work = _current.get()
    if work is not None:
        work._check_join(db, isolation)  # noqa: SLF001  of this file
        async with work._join():  # noqa: SLF001
            yield work
        return
    async with UnitOfWork(db, isolation)._open() as work:  # noqa: SLF001
        yield work


def in_unit_of_work() -> bool:
    """Whether the running task is in a unit of work."""
    return _current.get() is not None


def current_unit_of_work(db: Database) -> UnitOfWork:
    """The open unit of work on `db`.

    Raises:
        RuntimeError: there is none.
    """
    work = _current.get()
    if work is None or work.db is not db:
        raise RuntimeError(f"there is no open unit of work on {db.name!r}")
    return work


def forbid_unit_of_work(what: str) -> None:
    """Assert that no unit of work is open.

    Raises:
        RuntimeError: one is; `what` must not be done inside.
    """
    if in_unit_of_work():
        raise RuntimeError(f"{what} must not be done inside a unit of work")

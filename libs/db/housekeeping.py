"""Removing what a module's tables need no longer, now and then, a batch at a time.

Every process that hosts the module keeps house. Each takes rows that no other is taking (SKIP
LOCKED), so that they neither wait for each other nor need to agree on one of them.
"""

from abc import abstractmethod

from libs.db.database import Database
from libs.tasks import Periodic


class Housekeeper(Periodic):
    """The base of a module's housekeepers; a `libs.module.Task`.

    Args:
        job: completes the task's name.
        every_s: see `Periodic`.
        batch: the most rows that one transaction takes.
    """

    def __init__(self, db: Database, job: str, *, every_s: float, batch: int) -> None:
        super().__init__(f"{db.name}.{job}", self.keep_house, every_s=every_s, service=db.name)
        self._db = db
        self._batch = batch

    @abstractmethod
    async def keep_house(self) -> None:
        """Remove what is due, by `in_batches`, and tell in a line what it was."""

    async def in_batches(self, statement: str, *arguments: object) -> int:
        """Repeat a statement for as long as it finds full batches, unless the task is stopped.

        Args:
            statement: its last parameter is the size of a batch.
            arguments: the others.

        Returns:
            How many rows it was. Those that another housekeeper is taking are its own.

        Raises:
            Unavailable: the database does not answer, or not in time. What was done stays so.
        """
        total, full = 0, True
        while full and not self.stopping.is_set():
            count = await self._db.execute(statement, *arguments, self._batch)
            total += count
            full = count >= self._batch
        return total

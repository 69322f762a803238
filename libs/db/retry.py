"""What is tried again by itself: it had no effect, or a second one does no harm.

    a connection lost before anything was sent     anything outside a transaction, and BEGIN
    a connection lost in the middle                a SELECT outside a transaction, and BEGIN: once
    a race lost (serialization failure, deadlock)  a statement outside a transaction: it was a
                                                   transaction of its own, and is rolled back

A unit of work is not tried again: its block has run halfway. Consumers try again by themselves, and
clients are told when to.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from libs.db.errors import is_lost, never_sent
from libs.errors import LostRace, Unavailable
from libs.logging import get_logger

T = TypeVar("T")

RACES: Final = 3
"""So often a statement is run before it is said to have lost a race."""

RACE_PAUSE_S: Final = 0.02

_READ: Final = re.compile(r"\s*(?:/\*.*?\*/\s*)*select\b", re.IGNORECASE | re.DOTALL)

_log = get_logger()


def reads_only(sql: str) -> bool:
    """Whether it does no harm to run a statement twice."""
    return _READ.match(sql) is not None


async def on_live_connection(
    attempt: Callable[[], Awaitable[T]], *, module: str, pooled: int, repeatable: Callable[[], bool]
) -> T:
    """Do what takes a connection of the pool; again, if that turns out to be lost.

    Args:
        pooled: how many connections may have died while they rested: a restart of the server ends
            all of them.
        repeatable: whether it may be done twice.
    """
    midway = 1
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            lost = error.__cause__
            if never_sent(lost) and pooled:
                pooled -= 1
            elif is_lost(lost) and midway and repeatable():
                midway -= 1
            else:
                raise
        _log.warning("database.connection_lost", module=module, error=type(lost).__name__)


async def until_won(attempt: Callable[[], Awaitable[T]], *, module: str) -> T:
    """Do what is a transaction of its own; again, if it loses a race.

    Raises:
        LostRace: it lost every time.
    """
    for number in range(1, RACES):
        try:
            return await attempt()
        except LostRace:
            _log.info("database.race_lost", module=module, attempt=number)
        await asyncio.sleep(RACE_PAUSE_S * 2**number * random.uniform(0.5, 1.5))  # noqa: S311
    return await attempt()

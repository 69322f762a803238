"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""Generous: machines may be shared, and a time-out is only reached when something is broken."""


async def until(
    condition: Callable[[], T | None] | Callable[[], Awaitable[T | None]],
    *,
    what: str,
    timeout: float = PATIENCE_S,
) -> T:
    """The first truthy value of `condition`.

    Raises:
        AssertionError: there is none within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s for {what}")
        await asyncio.sleep(0.05)

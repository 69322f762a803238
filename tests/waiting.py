"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE_S = 60.0
"""Generous: machines may be shared, and a time-out is only reached when something is broken."""

_LONGEST_PAUSE_S = 0.05


@overload
async def until(
    condition: Callable[[], Awaitable[T | None]], what: str = ..., *, timeout: float = ...
) -> T: ...
@overload
async def until(
    condition: Callable[[], T | None], what: str = ..., *, timeout: float = ...
) -> T: ...
async def until(
    condition: Callable[[], Any],
    what: str = "a condition",
    *,
    timeout: float = PATIENCE_S,
) -> Any:
    """The first truthy value of `condition`, which is asked often at first and then less often.

    Raises:
        AssertionError: there is none within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s for {what}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)

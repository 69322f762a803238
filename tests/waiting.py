"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE_S = 60.0
"""Generous: machines may be shared, and a time-out is only reached when something is broken."""


@overload
async def until(
    condition: Callable[[], Awaitable[T | None]], *, what: str, timeout: float = ...
) -> T: ...
@overload
async def until(condition: Callable[[], T | None], *, what: str, timeout: float = ...) -> T: ...
async def until(
    condition: Callable[[], Any],
    *,
    what: str,
    timeout: float = PATIENCE_S,
) -> Any:
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

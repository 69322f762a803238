"""Waiting that a stop ends at once, and how long to wait after a failure."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def pause_after(failures: int, *, base: float, longest: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row (from 1).

    Doubling, with jitter so that those who failed together do not come back together.
    """
    full = min(longest, base * 2.0 ** min(failures - 1, 30))
    return full * random.uniform(0.5, 1.0)  # noqa: S311  # not for secrets


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait that long, or until `stop` is set; returns whether it is."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns, or None if `stop` is set before that; `work` is then cancelled."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        pending = [future for future in (working, stopped) if not future.done()]
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

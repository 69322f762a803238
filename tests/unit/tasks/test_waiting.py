import asyncio

import pytest

from libs.waiting import pause, pause_after, unless


@pytest.mark.parametrize(
    ("failures", "full"), [(1, 0.2), (2, 0.4), (5, 3.2), (7, 10), (10_000, 10)]
)
def test_pauses_double_up_to_a_limit(failures: int, full: float) -> None:
    assert full / 2 <= pause_after(failures, base=0.2, longest=10) <= full


async def test_a_pause_ends_when_stopped() -> None:
    stop = asyncio.Event()
    assert await pause(stop, 0.001) is False
    stop.set()
    assert await pause(stop, 1000) is True


async def test_work_goes_on_unless_stopped() -> None:
    stop = asyncio.Event()

    async def work() -> str:
        return "done"

    assert await unless(stop, work()) == "done"
    stop.set()
    assert await unless(stop, asyncio.sleep(1000, "never")) is None


async def test_what_the_work_raises_comes_through() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await unless(asyncio.Event(), fail())

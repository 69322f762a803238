"""When calls are refused, and when they are let through again."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from libs.errors import Unavailable
from libs.http.breaker import Breaker
from libs.http.failures import AttemptError


def _failure(*, outage: bool = True, status: int | None = 503) -> AttemptError:
    return AttemptError(Unavailable(), kind="x", again=True, outage=outage, status=status)


async def _fail() -> None:
    raise _failure()


async def _succeed() -> str:
    return "done"


async def _open(breaker: Breaker, failures: int) -> None:
    for _ in range(failures):
        with pytest.raises(AttemptError):
            await breaker.run(_fail)


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


async def test_it_opens_after_failures_in_a_row_and_refuses_at_once(zone: str) -> None:
    breaker = Breaker("rates", failures=3, reset_s=10)
    await _open(breaker, 3)
    assert breaker.is_open
    with pytest.raises(AttemptError) as refused:
        await breaker.run(_succeed)
    assert refused.value.kind == "breaker_open"
    assert not refused.value.again
    assert refused.value.error.retry_after == pytest.approx(10, abs=0.5)


async def test_the_attempt_that_opens_it_fails_with_its_own_error() -> None:
    breaker = Breaker("rates", failures=1, reset_s=10)
    with pytest.raises(AttemptError) as failed:
        await breaker.run(_fail)
    assert failed.value.kind == "x"


async def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker("rates", failures=2, reset_s=10)
    for _ in range(3):
        await _open(breaker, 1)
        await breaker.run(_succeed)
    assert not breaker.is_open


@pytest.mark.parametrize("closed_by", ["success", "client error"])
async def test_half_open_one_attempt_is_let_through(zone: str, closed_by: str) -> None:
    breaker = Breaker("rates", failures=1, reset_s=0.2)
    await _open(breaker, 1)
    await asyncio.sleep(0.22)
    proceed = asyncio.Event()

    async def probe() -> None:
        await proceed.wait()
        if closed_by == "client error":
            raise _failure(outage=False, status=404)

    probing = asyncio.create_task(breaker.run(probe))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(AttemptError, match="breaker_open"):
            await breaker.run(_succeed)
    proceed.set()
    await asyncio.gather(probing, return_exceptions=True)
    assert await breaker.run(_succeed) == "done"


async def test_a_failed_probe_opens_it_again() -> None:
    breaker = Breaker("rates", failures=3, reset_s=0.2)
    await _open(breaker, 3)
    await asyncio.sleep(0.22)
    await _open(breaker, 1)
    assert breaker.is_open


async def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    breaker = Breaker("rates", failures=1, reset_s=0.2)
    await _open(breaker, 1)
    await asyncio.sleep(0.22)
    probing = asyncio.create_task(breaker.run(lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    probing.cancel()
    await asyncio.wait({probing})
    assert await breaker.run(_succeed) == "done"


async def test_what_says_nothing_about_the_peer_changes_nothing() -> None:
    breaker = Breaker("rates", failures=2, reset_s=10)

    async def refused_here() -> None:
        raise _failure(outage=False, status=None)

    await _open(breaker, 1)
    with pytest.raises(AttemptError):
        await breaker.run(refused_here)
    await _open(breaker, 1)
    assert breaker.is_open


async def test_a_latecomer_does_not_close_it() -> None:
    breaker = Breaker("rates", failures=1, reset_s=10)
    proceed = asyncio.Event()
    late = asyncio.create_task(breaker.run(proceed.wait))
    await asyncio.sleep(0)
    await _open(breaker, 1)
    proceed.set()
    assert await late
    assert breaker.is_open

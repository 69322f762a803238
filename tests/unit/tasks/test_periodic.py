"""Something that is done every few seconds."""

import asyncio
from typing import Any

from libs.context import current
from libs.errors import Unavailable
from libs.tasks import Periodic
from tests.waiting import until


async def test_it_works_at_once_and_again_until_it_is_stopped() -> None:
    times, often = 0, asyncio.Event()

    async def work() -> None:
        nonlocal times
        times += 1
        if times == 3:
            often.set()

    task = Periodic("task", work, every_s=0.001)
    running = asyncio.create_task(task.run())
    await asyncio.wait_for(often.wait(), 10)
    await task.stop()
    await asyncio.wait_for(running, 10)


async def test_a_failure_is_told_once_and_that_it_is_over(log: list[Any]) -> None:
    failing, times = True, 0
    often = asyncio.Event()

    async def work() -> None:
        nonlocal failing, times
        times += 1
        if times > 3:
            failing = False
            often.set()
        if failing:
            raise Unavailable("gone")

    task = Periodic("task", work, every_s=0.001)
    running = asyncio.create_task(task.run())
    await asyncio.wait_for(often.wait(), 10)
    await task.stop()
    await asyncio.wait_for(running, 10)
    events = [line["event"] for line in log]
    assert events == ["periodic.failed", "periodic.recovered"]


async def test_each_time_is_a_piece_of_work_of_its_own() -> None:
    seen = []

    async def work() -> None:
        seen.append(current())

    task = Periodic("task", work, every_s=0.001, service="auth")
    running = asyncio.create_task(task.run())
    await until(lambda: len(seen) > 2, "three times")
    await task.stop()
    await running
    assert {(c.service, c.actor) for c in seen} == {("auth", "service:auth")}
    assert len({c.context_id for c in seen}) == len(seen)


async def test_another_failure_is_told_too(log: list[Any]) -> None:
    failures: list[Exception] = [Unavailable("a"), Unavailable("a"), RuntimeError("b")]

    async def work() -> None:
        if failures:
            raise failures.pop(0)

    task = Periodic("task", work, every_s=0.001)
    running = asyncio.create_task(task.run())
    await until(lambda: len(log) > 2, "it has recovered")
    await task.stop()
    await running
    told = [(line["event"], line.get("error")) for line in log]
    assert told[:3] == [
        ("periodic.failed", "unavailable"),
        ("periodic.failed", "RuntimeError"),
        ("periodic.recovered", None),
    ]

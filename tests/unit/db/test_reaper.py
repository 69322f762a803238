import asyncio
from collections.abc import Iterable
from typing import Any, cast

from libs.db.database import Database
from libs.db.reaper import IdempotencyReaper
from libs.db.settings import IdempotencySettings
from libs.errors import Unavailable
from tests.waiting import until


class Table:
    """The part of `Database` that a reaper uses.

    Args:
        answers: to each statement: how many rows it deletes, or the error that it ends with.
    """

    name = "orders"

    def __init__(self, answers: Iterable[int | Exception]) -> None:
        self._answers = iter(answers)
        self.asked: list[tuple[Any, ...]] = []

    async def execute(self, _: str, *args: Any) -> int:
        self.asked.append(args)
        await asyncio.sleep(0)
        answer = next(self._answers, 0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def reaper_of(table: Table, **settings: Any) -> IdempotencyReaper:
    often = {"reap_every_s": 0.001, "reap_batch": 10}
    read = IdempotencySettings.model_validate({**often, **settings})
    return IdempotencyReaper(cast("Database", table), read)


def test_by_default_a_key_is_kept_for_three_days() -> None:
    assert IdempotencySettings.model_validate({}).keep_h == 72


async def test_it_goes_on_while_batches_are_full() -> None:
    table = Table([10, 10, 3, 10])
    assert await reaper_of(table, keep_h=1.5).reap() == 23
    assert table.asked == [(5400.0, 10)] * 3


async def test_it_tells_how_many_went_and_each_time_under_another_context(
    log: list[Any],
) -> None:
    reaper = reaper_of(Table([10, 2]))
    assert reaper.name == "orders.idempotency_reaper"
    running = asyncio.create_task(reaper.run())
    await until(lambda: len(log) > 1, "two rounds")
    await reaper.stop()
    await running
    assert [(line["event"], line["keys"]) for line in log[:2]] == [
        ("idempotency.reaped", 12),
        ("idempotency.reaped", 0),
    ]
    assert {line["service"] for line in log} == {"orders"}
    assert len({line["contextId"] for line in log}) == len(log)


async def test_a_failure_is_told_and_followed_by_another_round(log: list[Any]) -> None:
    reaper = reaper_of(Table([Unavailable("gone"), RuntimeError("broken"), 1]))
    running = asyncio.create_task(reaper.run())
    await until(lambda: len(log) > 3, "three rounds")
    await reaper.stop()
    await running
    assert [(line["log_level"], line["event"]) for line in log[:4]] == [
        ("warning", "periodic.failed"),
        ("warning", "periodic.failed"),
        ("info", "idempotency.reaped"),
        ("info", "periodic.recovered"),
    ]
    assert [line["error"] for line in log[:2]] == ["unavailable", "RuntimeError"]
    assert {line["task"] for line in log[:2]} == {"orders.idempotency_reaper"}


async def test_it_stops_after_the_batch_at_hand() -> None:
    table = Table([10] * 100_000)
    reaper = reaper_of(table)
    running = asyncio.create_task(reaper.run())
    await until(lambda: table.asked, "a batch")
    await reaper.stop()
    await running
    assert len(table.asked) < 100_000


async def test_it_stops_while_it_waits() -> None:
    reaper = reaper_of(Table([]), reap_every_s=3600)
    running = asyncio.create_task(reaper.run())
    await asyncio.sleep(0)
    await reaper.stop()
    await running
